"""Train what a study still lacks, from its end; the study itself is started again afterwards and finds the runs."""
import sys
from pathlib import Path
sys.path.insert(0,'/tmp/wt/rec')
from cnncourse import recipe, runtime
from cnncourse.train import studies
name=sys.argv[1]
study=studies.read_study(name)
path=studies.RESULTS/f"{name}.unfinished.jsonl"
env=runtime.describe(runtime.start(study["base"].get("device","auto")))
def run(made, final=True):
    kept=studies._Kept(path)
    done=kept.find(made,final)
    if not done:
        print(made.model,made.model_options,made.lr,made.seed,final,flush=True)
        done=kept.keep(made,final,studies._run(made,lambda t:None,final),env)
    return done["outcome"]
for variant,changes in reversed(list(study["variants"].items())):
    made=recipe.from_dict(recipe.changed(study["base"],{**changes,"data_root":"/tmp/dataroot"}))
    if made.model in sys.argv[2:]: continue
    chosen,_=studies._tuned(made,study["tune"],study["seeds"][0],run)
    made=made.replace(**chosen)
    for seed in study["seeds"]: run(made.replace(seed=seed))
