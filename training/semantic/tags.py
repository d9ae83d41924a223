"""tags.json: everyday names over the ImageNet classes (the class's own lemmas and its hypernyms in WordNet), each with the classes under it.

    python3 tags.py --wordnet usr/share/wordnet --model models/lic-adapter/1 --views views

A tag's score is the sum of its classes' posteriors; its threshold is the lowest score at which tags shown on held-out views are right in
PRECISION of the cases against the teacher's own posterior (the teacher gives the tag at least .5).
"""
import argparse, collections, json, os, re
import numpy as np

PRECISION, FALLBACK = .75, .5
# too abstract to search for, or taxonomists' words
DROP = set('''entity physical_entity object whole artifact matter living_thing organism causal_agent cause abstraction instrumentality instrumentation unit thing
 physical_object artefact living animate_thing being chordate vertebrate craniate placental placental_mammal eutherian eutherian_mammal mammalian carnivore ungulate
 hoofed_mammal even-toed_ungulate artiodactyl artiodactyl_mammal odd-toed_ungulate perissodactyl perissodactyl_mammal bovid diapsid diapsid_reptile anapsid anapsid_reptile
 craft structure construction part portion piece way passage substance causal_agency conveyance covering implement relation attribute communication
 psychological_feature group grouping social_group measure relational process foodstuff nutriment nourishment nutrition sustenance aliment alimentation victuals
 commodity trade_good good goods consumer_goods facility installation surface region location area expanse geological_formation formation
 natural_object natural_elevation elevation material chemical_compound solid fluid liquid body_part reproductive_structure plant_organ plant_part
 mechanism device creation product instrument_of assembly system obstruction barrier obstructor impediment impedimenta support supporting_structure enclosure
 restraint constraint fastener fastening holdfast fixing attachment connection connexion connector connecter communication_system
 chelonian chelonian_reptile lepidopterous_insect lepidopteron lepidopteran hymenopterous_insect hymenopteran hymenopteron hymenopter dipterous_insect two-winged_insect
 dipteran dipteron orthopterous_insect orthopteron orthopteran coleopterous_insect homopterous_insect homopteran anseriform_bird gallinaceous_bird gallinacean
 oscine oscine_bird passerine passeriform_bird piciform_bird coraciiform_bird caprimulgiform_bird apodiform_bird cuculiform_bird soft-finned_fish malacopterygian
 spiny-finned_fish acanthopterygian teleost_fish teleost teleostan elasmobranch selachian cartilaginous_fish chondrichthian bony_fish food_fish ganoid ganoid_fish
 percoid_fish percoid percoidean scorpaenoid scorpaenoid_fish plectognath plectognath_fish arthropod invertebrate mollusk mollusc shellfish decapod_crustacean decapod
 coelenterate cnidarian echinoderm worm_family protective_covering protective_cover protection garment_closure means agency article ware equipment
 container_ship_part self-propelled_vehicle wheeled_vehicle motor_vehicle_part mechanical_device electronic_device measuring_instrument measuring_system measuring_device
 machine_part household_appliance_part consumer_durables durables durable_goods public_transport_system edible_fruit_part produce green_goods green_groceries garden_truck
 paper_product piece_of_paper piece_of_cloth piece_of_material fabrication textile_material cloth_covering visual_signal signal signaling sign
 person_group plant_life flora fungus_kind fruiting_body basidiomycete agaric thallophyte psychological event act deed human_action human_activity activity
 lawn_furniture_part vessel_part box_part ball_part content cognition knowledge noesis message subject_matter substance_of concept idea thought category kind sort form
 animate_being beast brute creature fauna canid felid vesture wear wearable habiliment nutrient solid_food establishment outlet sales_outlet place_of_business business_establishment
 mercantile_establishment musteline_mammal musteline colubrid catarrhine ophidian saurian arachnoid gnawer aquatic_vertebrate horologe timekeeper furnishing article_of_clothing
 article_of_furniture piece_of_furniture weapon_system game_equipment wading_bird sheet flat_solid movable_barrier angiosperm spermatophyte phanerogam seed_plant vascular_plant tracheophyte
 ratite participant solanaceous_vegetable collector pachyderm proboscidean proboscidian monotreme anthozoan actinozoan gastropod univalve cephalopod_mollusk lagomorph gnawing_mammal leporid
 leporid_mammal equid equine swine viverrine viverrine_mammal procyonid ursid edentate bottom-feeder bottom-dweller crocodilian_reptile crocodilian ratite_bird urodele caudate salientian
 batrachian anuran drug drug_of_abuse street_drug intoxicant inebriant mortal individual someone somebody soul seed staff_of_life charabanc jitney cataphract starches
 source_of_illumination data_processor information_processing_system house_of_prayer house_of_God house_of_worship afters fixings flavorer flavourer'''.split())
# the words people type for a hypernym whose WordNet lemma they would not; added as names of the same tag
EVERYDAY = {'airliner': ['airplane', 'plane'], 'warplane': ['plane'], 'musical instrument': ['instrument'], 'mountain bike': ['bike'], 'bicycle': ['bike'], 'motor scooter': ['scooter'],
            'television': ['tv'], 'cellular telephone': ['mobile phone', 'phone', 'cell phone'], 'feline': ['cat'], 'ocean liner': ['ship'], 'running shoe': ['shoe', 'sneaker'],
            'notebook': ['laptop'], 'seashore': ['beach', 'sea'], 'alp': ['mountain'], 'desktop computer': ['computer']}


def wordnet(folder):
    """offset -> (lemmas, hypernym offsets) of every noun synset"""
    out = {}
    for line in open(os.path.join(folder, 'data.noun')):
        if line.startswith(' '): continue
        f = line.split(' | ')[0].split(); n = int(f[3], 16); lemmas = [re.sub(r'\(.*\)', '', w) for w in f[4:4 + 2 * n:2]]; p = f[4 + 2 * n + 1:]
        out[f[0]] = lemmas, [p[i + 1] for i in range(0, len(p) - 3, 4) if p[i] in ('@', '@i') and p[i + 2] == 'n']
    return out


def senses(folder):
    """lemma -> offsets of its noun senses, the commonest first"""
    rows = (l.split() for l in open(os.path.join(folder, 'index.noun')) if not l.startswith(' '))
    return {f[0]: f[-int(f[2]):] for f in rows}


def build(nouns, order, wnids):
    """name -> set of class numbers. A hypernym lends only lemmas whose commonest sense it is ("arm" is not a weapon here)."""
    tags = collections.defaultdict(set)
    for c, w in enumerate(wnids):
        queue, seen = [(w[1:], 0)], set()
        while queue:
            o, depth = queue.pop()
            if o in seen: continue
            seen.add(o); lemmas, up = nouns[o]; queue += [(u, depth + 1) for u in up]
            if depth and lemmas[0] in DROP: continue
            for l in lemmas:
                name = l.replace('_', ' ').lower()
                if l in DROP or not re.fullmatch(r"[a-z][a-z' \-]{1,28}", name): continue
                if (depth or l != lemmas[0]) and o not in order[l.lower()][:1 if depth else 2]: continue
                if l[0].isupper() and l != lemmas[0]: continue              # Latin names
                tags[name].add(c)
                for extra in EVERYDAY.get(name, ()): tags[extra].add(c)
    return tags


def thresholds(tags, student, teacher):
    """lowest threshold with the wanted precision, per tag, on [n,1000] posteriors; None where the views show the tag too rarely to say"""
    out = {}
    for name, classes in tags.items():
        ix = sorted(classes); s, t = student[:, ix].sum(1), teacher[:, ix].sum(1) >= .5
        if t.sum() < 12: out[name] = None; continue
        o = np.argsort(-s); p = t[o].cumsum() / np.arange(1, len(o) + 1); ok = np.flatnonzero(p >= PRECISION)
        out[name] = float(np.clip(s[o[ok[-1]]], .1, .95)) if len(ok) and ok[-1] >= 3 else .9
    return out


def main():
    a = argparse.ArgumentParser()
    for n in ('wordnet', 'model', 'views'): a.add_argument('--' + n, required=True)
    a = a.parse_args()
    import onnxruntime as ort, torch
    from train import Shards
    from export import manifest
    wnids = [c['wnid'] for c in json.load(open(os.path.join(a.model, 'classes.json')))['classes']]
    tags = build(wordnet(a.wordnet), senses(a.wordnet), wnids); tags = {n: c for n, c in tags.items() if len(c) < 700}
    options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
    session = ort.InferenceSession(os.path.join(a.model, 'adapter.onnx'), options, providers=['CPUExecutionProvider']); torch.set_num_threads(1)
    val, S, T = Shards(a.views, 'val'), [], []
    soft = lambda l: (lambda e: e / e.sum(1, keepdims=True))(np.exp(l - l.max(1, keepdims=True)))
    for d in val.list():
        b = val.load(d, slice(0, 128), ('latents', 'logits')); y = val.decoded(b['latents'], torch.linspace(0, 5, len(b['latents'])))
        S.append(soft(session.run(['class_logits'], {'latents': y.numpy()})[0])); T.append(soft(b['logits'].numpy()[:, 1:]))
    S, T = np.concatenate(S), np.concatenate(T); cut = thresholds(tags, S, T); known = [v for v in cut.values() if v is not None]
    # tags too rare among the held-out views share the threshold that gives the precision over all of them together
    rare = [n for n, v in cut.items() if v is None]; s = np.concatenate([S[:, sorted(tags[n])].sum(1) for n in rare]); t = np.concatenate([T[:, sorted(tags[n])].sum(1) >= .5 for n in rare])
    keep = s > .05; o = np.argsort(-s[keep]); p = t[keep][o].cumsum() / np.arange(1, keep.sum() + 1); ok = np.flatnonzero(p >= PRECISION); pooled = float(s[keep][o[ok[-1]]]) if len(ok) and ok[-1] > 20 else FALLBACK
    out = [dict(name=n, classes=sorted(c), threshold=round(cut[n] if cut[n] is not None else pooled, 3)) for n, c in sorted(tags.items())]
    shown = right = wanted = 0
    for x in out:
        s, t = S[:, x['classes']].sum(1) >= x['threshold'], T[:, x['classes']].sum(1) >= .5; shown += s.sum(); right += (s & t).sum(); wanted += t.sum()
    print(len(out), 'tags,', len(known), 'with their own threshold, others', round(pooled, 3), '; precision', right / max(shown, 1), 'recall', right / wanted, 'tags per view', shown / len(S))
    with open(os.path.join(a.model, 'tags.json'), 'w') as f: f.write('{"tags":[\n' + ',\n'.join(json.dumps(x, separators=(',', ':')) for x in out) + '\n]}\n')
    manifest(a.model, {})


if __name__ == '__main__': main()
