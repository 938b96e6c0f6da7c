CELLS = [
("21rec001", "markdown", {}, r"""
(resnet-recorded)=
### The same two depths, recorded

Thirty steps at one rate prove little, so the same four networks were trained longer, each at a rate of its own: half as wide as the paper's, on pictures of 28×28 pixels, six epochs over 9,000 of them, with the best of three learning rates on held-out images and three seeds.
"""),
("21rec002", "code", {}, r"""
study = recorded("resnet_depth")["variants"]
print("network      rate  training loss    test accuracy")
for name, found in study.items():
    ends = [run["rows"][-1]["train_loss"] for run in found["runs"]]
    print(
        f"{name:12} {found['chosen']['lr']:<5} {np.mean(ends):.3f} ± "
        f"{np.std(ends, ddof=1):.3f}    {100 * found['mean']:.1f} ± {100 * found['std']:.1f} %"
    )
"""),
("21rec003", "code", {"mystnb": {"figure": {"caption": "Loss of the training images in the recorded runs, one line a seed; broken lines for 20 layers, whole ones for 56.", "name": "fig-21-recorded"}, "image": {"alt": "Two panels, plain and residual, of training loss over six epochs on a logarithmic axis, three lines for each of two depths; their ends are in the table above."}}, "tags": ["hide-input"]}, r"""
figure, axes = plt.subplots(1, 2, figsize=(figures.COLUMN, 2.7), sharey=True)
for axis, kind in zip(axes, ("plain", "residual"), strict=True):
    for depth, style in ((20, "--"), (56, "-")):
        for run in study[f"{kind} {depth}"]["runs"]:
            losses = [row["train_loss"] for row in run["rows"]]
            label = f"{depth} layers" if run["seed"] == 0 else None
            epochs = range(1, len(losses) + 1)
            axis.plot(epochs, losses, style, color=COLORS[kind], lw=1.4, label=label)
    axis.set(title=kind, xlabel="epoch", yscale="log")
    axis.legend()
axes[0].set_ylabel("training loss");
"""),
]
