import json,sys
for p in sys.argv[1:]:
    for l in open(p):
        d=json.loads(l); r=d['run']['recipe']; o=d['outcome']
        print(r['model'],r['model_options'].get('shortcut',''),r.get('labels'),'lr',r['lr'],'seed',r['seed'],'final' if d['run']['final'] else 'trial',o.get('validation_accuracy'),o.get('test_accuracy'),o.get('cpu_seconds'), round(o['rows'][-1]['train_loss'],4) if o.get('rows') else '',o.get('diverged',''))
