using System.Text;

namespace ImageSearch.Inference;

/// <summary>
/// Canonical composition (Unicode NFC) of lower-case Latin letters with their accents. Services run without ICU (invariant globalisation), where string.Normalize leaves
/// such texts as they are. Other scripts stay as written; keyboards and browsers send them composed.
/// </summary>
internal static class LatinComposition
{
    /// <summary>Combining mark to pairs of letter and composed letter (Unicode 15, Latin blocks up to U+1EFF).</summary>
    private static readonly Dictionary<char, string> Pairs = new()
    {
        ['\u0300'] = "aàeèiìoòuùüǜnǹēḕōṑwẁâầăằêềôồơờưừyỳ",
        ['\u0301'] = "aáeéiíoóuúyýcćlĺnńrŕsśzźüǘgǵåǻæǽøǿçḉēḗïḯkḱmḿõṍōṓpṕũṹwẃâấăắêếôốơớưứ",
        ['\u0302'] = "aâeêiîoôuûcĉgĝhĥjĵsŝwŵyŷzẑạậẹệọộ",
        ['\u0303'] = "aãnñoõiĩuũvṽâẫăẵeẽêễôỗơỡưữyỹ",
        ['\u0304'] = "aāeēiīoōuūüǖäǟȧǡæǣǫǭöȫõȭȯȱyȳgḡḷḹṛṝ",
        ['\u0306'] = "aăeĕgğiĭoŏuŭȩḝạặ",
        ['\u0307'] = "cċeėgġzżaȧoȯbḃdḋfḟhḣmṁnṅpṗrṙsṡśṥšṧṣṩtṫwẇxẋyẏſẛ",
        ['\u0308'] = "aäeëiïoöuüyÿhḧõṏūṻwẅxẍtẗ",
        ['\u0309'] = "aảâẩăẳeẻêểiỉoỏôổơởuủưửyỷ",
        ['\u030a'] = "aåuůwẘyẙ",
        ['\u030b'] = "oőuű",
        ['\u030c'] = "cčdďeělľnňrřsštťzžaǎiǐoǒuǔüǚgǧkǩʒǯjǰhȟ",
        ['\u030f'] = "aȁeȅiȉoȍrȑuȕ",
        ['\u0311'] = "aȃeȇiȋoȏrȓuȗ",
        ['\u031b'] = "oơuư",
        ['\u0323'] = "bḅdḍhḥkḳlḷmṃnṇrṛsṣtṭvṿwẉzẓaạeẹiịoọơợuụưựyỵ",
        ['\u0324'] = "uṳ",
        ['\u0325'] = "aḁ",
        ['\u0326'] = "sștț",
        ['\u0327'] = "cçgģkķlļnņrŗsştţeȩdḑhḩ",
        ['\u0328'] = "aąeęiįuųoǫ",
        ['\u032d'] = "dḓeḙlḽnṋtṱuṷ",
        ['\u032e'] = "hḫ",
        ['\u0330'] = "eḛiḭuṵ",
        ['\u0331'] = "bḇdḏkḵlḻnṉrṟtṯzẕhẖ",
    };

    public static string Compose(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\u0300', '\u036f'))
        {
            return text;
        }

        var composed = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            var at = composed.Length > 0 && Pairs.TryGetValue(c, out var pairs) ? Find(pairs, composed[^1]) : -1;
            if (at >= 0)
            {
                composed[^1] = Pairs[c][at + 1];
            }
            else
            {
                composed.Append(c);
            }
        }

        return composed.ToString();
    }

    private static int Find(string pairs, char letter)
    {
        for (var i = 0; i < pairs.Length; i += 2)
        {
            if (pairs[i] == letter)
            {
                return i;
            }
        }

        return -1;
    }
}
