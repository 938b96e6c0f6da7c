"""insert.py NOTEBOOK AFTER_ID SECTION.py : SECTION.py defines CELLS = [(id, kind, metadata, source), …]"""
import json, runpy, sys
path, after, section = sys.argv[1:]
cells = runpy.run_path(section)["CELLS"]
nb = json.load(open(path))
ids = {c["id"] for c in nb["cells"]}
old = [c for c in nb["cells"] if c["id"] not in {x[0] for x in cells}]
at = next(i for i, c in enumerate(old) if c["id"] == after) + 1
new = []
for i, kind, meta, source in cells:
    cell = {"cell_type": kind, "id": i, "metadata": meta, "source": source.strip("\n").splitlines(keepends=True)}
    if kind == "code": cell |= {"execution_count": None, "outputs": []}
    new.append(dict(sorted(cell.items())))
nb["cells"] = old[:at] + new + old[at:]
open(path, "w").write(json.dumps(nb, indent=1, ensure_ascii=False) + "\n")
