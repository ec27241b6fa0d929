"""Charts of clusters: silhouettes, distances between the centres, and the elbow curve."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

from ..estimators.clusters import NOISE
from ..exceptions import OneCluster
from . import figures, yellowbrick_charts
from .evidence import Chart, Evidence, spread
from .shapes import Curve, Curves, Points, floats

#: Largest number of clusters of the elbow curve.
MOST_CLUSTERS = 10
#: Upper bounds of the rows in a chart of silhouettes, and of the values per cluster in its data.
MOST_ROWS, MOST_VALUES = 1_000, 200
#: Area of the largest cluster's circle, in square points.
LARGEST = 5_000


def draw_silhouette(evidence: Evidence, figure: Figure) -> Chart:
    """Draw silhouettes in the space in which clusterings are compared."""
    labels = evidence.model.estimator.predict(evidence.X)
    inside = labels != NOISE
    numbers, codes = np.unique(labels[inside], return_inverse=True)
    if not 1 < len(numbers) < len(codes):
        raise OneCluster("The rows did not fall into two or more clusters.")
    samples = silhouette_samples(evidence.space[inside], codes)
    order = np.lexsort((samples, codes))
    _draw_silhouettes(figure, [str(number) for number in numbers], codes[order], samples[order])
    by_cluster = {int(n): np.sort(samples[codes == c]) for c, n in enumerate(numbers)}
    curves = tuple(_to_curve(number, values) for number, values in by_cluster.items())
    data = Curves(x_title="rows", y_title="silhouette", curves=curves)
    return Chart(_describe_silhouettes(by_cluster, float((~inside).mean())) + evidence.sampling, data)


def _draw_silhouettes(
    figure: Figure, names: list[str], codes: NDArray[np.intp], samples: NDArray[np.float64]
) -> None:
    """Draw a sample of the rows, which are sorted by cluster and value; Yellowbrick would draw all of them."""
    axes = figures.add_axes(figure, 6.4, 3.4 + 0.25 * len(names))
    visualizer = yellowbrick_charts.SilhouetteVisualizer(
        yellowbrick_charts.StoredClusters(codes, np.empty((len(names), 0))),
        ax=axes,
        fig=figure,
        colors=figures.PALETTE,
        is_fitted=True,
        force_model=True,
    )
    sample = spread(len(codes), MOST_ROWS)
    visualizer.n_clusters_, visualizer.n_samples_ = len(names), len(sample)
    visualizer.silhouette_samples_, visualizer.silhouette_score_ = samples[sample], samples.mean()
    visualizer.draw(codes[sample])
    visualizer.finalize()
    axes.lines[0].set(color=figures.GREY, label="mean")
    axes.set(xlabel="silhouette", ylabel="cluster", title="")
    axes.set_yticks(visualizer.y_tick_pos_, names)
    axes.grid(False, axis="y")
    figures.add_legend(axes)


def draw_distances(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the distances between the winner's centres, embedded from its own space into a plane."""
    clusters = evidence.model.estimator[-1]
    labels, centres = clusters.labels_, clusters.centres_
    if len(centres) < 2:
        raise OneCluster
    sizes = np.bincount(labels[labels != NOISE], minlength=len(centres))
    axes = figures.add_axes(figure, 6.4, 4.8)
    visualizer = yellowbrick_charts.InterclusterDistance(
        yellowbrick_charts.StoredClusters(labels[labels != NOISE], centres),
        ax=axes,
        fig=figure,
        legend=False,
        random_state=evidence.context.seed,
        is_fitted=True,
        force_model=True,
    )
    visualizer.fit(centres)
    _scale_circles(axes, sizes)
    names = tuple(f"{number} ({n:,} rows)" for number, n in enumerate(sizes))
    positions = visualizer.embedded_centers_
    data = Points(x_title="", y_title="", x=floats(positions[:, 0]), y=floats(positions[:, 1]), groups=names)
    return Chart(_describe_distances(centres, sizes), data)


def _scale_circles(axes: Axes, sizes: NDArray[np.intp]) -> None:
    """Scale the circles' areas to the clusters' rows; Yellowbrick draws the smallest in a fixed size."""
    areas = np.maximum(LARGEST * sizes / sizes.max(), LARGEST / 40)
    axes.collections[0].set(
        sizes=areas, facecolor=figures.PALETTE[5], edgecolor=figures.PALETTE[0], alpha=0.5
    )
    axes.margins(0.25)
    axes.grid(False)
    axes.set_aspect("equal", adjustable="datalim")  # the axes keep their width, so that circles have room
    axes.set(xticklabels=[], yticklabels=[], xlabel="distances, as far as two dimensions can show them")


def draw_elbow(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the elbow curve of k-means, whatever family won."""
    space = evidence.space
    most = min(MOST_CLUSTERS, len(np.unique(space, axis=0)) - 1)
    if most < 3:
        raise OneCluster("There are too few distinct rows for several numbers of clusters.")
    axes = figures.add_axes(figure)
    visualizer = yellowbrick_charts.KElbowVisualizer(
        KMeans(n_init=3, random_state=evidence.context.seed),
        ax=axes,
        fig=figure,
        k=(2, most + 1),
        timings=False,
        force_model=True,
    )
    visualizer.fit(space)
    k, scores, knee = visualizer.k_values_, visualizer.k_scores_, visualizer.elbow_value_
    for line, colour in zip(axes.lines, (figures.PALETTE[0], figures.GREY), strict=False):
        line.set_color(colour)
    if knee is not None:
        axes.lines[1].set_label(f"elbow at {knee}")
        figures.add_legend(axes)
    axes.set(xlabel="clusters", ylabel="squared distances to the centres", xticks=k)
    curve = Curve(name="k-means", x=floats(k), y=floats(scores))
    data = Curves(x_title="clusters", y_title="sum of squared distances", curves=(curve,))
    return Chart(_describe_elbow(evidence, knee, k, scores) + evidence.sampling, data)


def _to_curve(number: int, values: NDArray[np.float64]) -> Curve:
    sample = spread(len(values), MOST_VALUES)
    return Curve(name=str(number), x=floats(sample), y=floats(values[sample]))


def _describe_silhouettes(samples: dict[int, NDArray[np.float64]], noise: float) -> str:
    means = {number: float(values.mean()) for number, values in samples.items()}
    best, worst = (pick(means, key=lambda n: means[n]) for pick in (max, min))
    everything = np.concatenate(list(samples.values()))
    nearer = int((everything < 0).sum())
    outside = f" {noise:.1%} of the rows are noise, and left out." if noise else ""
    return (
        f"The mean silhouette is {everything.mean():.3f}: cluster {best} is the most compact ({means[best]:.3f}), "
        f"cluster {worst} the least ({means[worst]:.3f}). {nearer:,} of {len(everything):,} rows are nearer to "
        f"another cluster than to their own.{outside}"
    )


def _describe_distances(centres: NDArray[np.float64], sizes: NDArray[np.intp]) -> str:
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    distances[np.tril_indices(len(distances))] = np.nan
    near, far = (np.unravel_index(pick(distances), distances.shape) for pick in (np.nanargmin, np.nanargmax))
    largest, smallest = int(sizes.argmax()), int(sizes.argmin())
    text = f"Clusters {near[0]} and {near[1]} are nearest to each other ({distances[near]:.3g})"
    if near != far:
        text += f", {far[0]} and {far[1]} furthest apart ({distances[far]:.3g})"
    return (
        f"{text}, in standardised features. The largest is {largest} with {sizes[largest]:,} rows, the smallest "
        f"{smallest} with {sizes[smallest]:,}."
    )


def _describe_elbow(evidence: Evidence, knee: int | None, k: list[int], scores: list[float]) -> str:
    clusters = len(evidence.model.estimator[-1].centres_)
    fall = 1 - scores[-1] / scores[0] if scores[0] else 0.0
    bend = f"bends at {knee} clusters" if knee is not None else "has no clear bend"
    return (
        f"The curve {bend}; from {k[0]} to {k[-1]} it falls by {fall:.0%}. The model has {clusters} clusters."
    )
