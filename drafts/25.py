CELLS = [
("25rec001", "markdown", {}, r"""
(vit-data)=
### How many images a small ViT needs, recorded

Does it show in accuracy? `vit_tiny` and a residual network of 8 layers, with 173,482 and 75,002 parameters, learned 1,000 to 59,000 of Fashion-MNIST's training images. Every run takes about 930 steps of 64 images, so with fewer images each is seen more often. Each network has, for each number of images, the best of three learning rates on held-out images, and three seeds.
"""),
("25rec002", "code", {"mystnb": {"figure": {"caption": "Test accuracy by the number of different training images, equally many steps each. A dot is the mean of three seeds, its line reaches one standard deviation to each side.", "name": "fig-25-data"}, "image": {"alt": "Two rising lines of test accuracy over 1,000, 5,000, 10,000 and 59,000 training images, one for the residual network, one for the Vision Transformer; the numbers are in the text below."}}, "tags": ["hide-input"]}, r"""
study, counts = recorded("vit_data")["variants"], (1000, 5000, 10_000, 59_000)
reached = {
    kind: [study[f"{kind} {count}"] for count in counts] for kind in ("ResNet", "ViT")
}
figure, axis = plt.subplots(figsize=(figures.COLUMN, 2.8))
for (kind, found), color in zip(reached.items(), ("blue", "vermillion"), strict=True):
    means = [100 * result["mean"] for result in found]
    spread = [100 * result["std"] for result in found]
    look = {"color": figures.PALETTE[color], "marker": "o", "ms": 5}
    axis.errorbar(counts, means, spread, **look)
    name = {"ResNet": "residual network, 8 layers", "ViT": "vit_tiny"}[kind]
    axis.annotate(name, (counts[-1], means[-1]), (-4, -14), textcoords="offset points", ha="right", color=figures.PALETTE[color])
axis.set(xscale="log", xlabel="training images", ylabel="percent")
axis.set_xticks(counts, [f"{count:,}" for count in counts])
axis.minorticks_off();
"""),
("25rec003", "code", {"tags": ["hide-input"]}, r"""
for count, convolution, attention in zip(counts, *reached.values(), strict=True):
    figures.glue(f"25-cnn-{count}", round(100 * convolution["mean"], 1))
    figures.glue(f"25-vit-{count}", round(100 * attention["mean"], 1))
"""),
]
