"""Clusters as a page: scores, clusters against classes, and frames of the videos of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from timesformer.visualize.gallery import fit_frames
from timesformer.visualize.page import render_page

MOST_CARDS = 240  # videos with frames on a page
CARDS = (4, 24)  # of a cluster, at least and at most
FIRST_CARDS = 8  # of a cluster; the others follow in a part that can be opened
MOST_CLASSES = 40  # columns of the table of clusters and classes
DEFINITIONS = (
    ("accuracy", "The share of videos whose cluster is assigned to their class. Each cluster has at most "
     "one class and each class at most one cluster, so that most videos are right (Hungarian method). "
     "The interval takes clusters and assignment as they are."),
    ("chance", "The mean accuracy of the same clusters with shuffled labels, each assigned anew."),
    ("v-measure", "The harmonic mean of homogeneity (a cluster has videos of one class only) and "
     "completeness (a class is in one cluster only)."),
    ("adjusted Rand", "The share of pairs of videos on which clusters and classes agree, shifted and "
     "scaled: 0 is chance, 1 is perfect."),
    ("middle", "Of k-means the mean direction of the vectors of a cluster, of linkage the video with the "
     "least sum of distances to the others. Videos are shown with the nearest first."),
)  # fmt: skip


def render_clusters(
    report: Mapping[str, Any], frames: Mapping[str, Sequence[bytes]] | None = None
) -> str:
    """The page of ``report``, see ``features.cluster_report``.

    Args:
        report: with ``settings``, a text that says how videos are compared.
        frames: JPEG files of the videos of ``shown_members``, by their paths there.
    """
    members = shown_members(report)
    classes = _classes(report)
    return render_page(
        "clusters.html",
        title=f"{len(report['clusters'])} clusters of {report['videos']:,} videos",
        report=report,
        members=members,
        shown=fit_frames({"gallery": members}, frames or {}),
        first=FIRST_CARDS,
        classes=classes if len(classes) <= MOST_CLASSES else [],
        counts=[{c["label"]: c["videos"] for c in each["classes"]} for each in report["clusters"]],
        definitions=DEFINITIONS if report["scores"] else DEFINITIONS[-1:],
    )


def shown_members(report: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The videos of each cluster that the page shows, by its number; parts of one file are numbered."""
    most = min(max(MOST_CARDS // len(report["clusters"]), CARDS[0]), CARDS[1])
    names: set[str] = set()
    found: dict[str, list[dict[str, Any]]] = {}
    for cluster in report["clusters"]:
        rows = found.setdefault(str(cluster["cluster"]), [])
        for member in cluster["members"][:most]:
            name, again = member["path"], 2
            while name in names:
                name, again = f"{member['path']} ({again})", again + 1
            names.add(name)
            rows.append({**member, "path": name, "source": member["path"]})
    return found


def _classes(report: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Label and name, in the order of the clusters, so that most counts are near a diagonal."""
    found: dict[int, str] = {}
    for cluster in report["clusters"]:
        if cluster["label"] is not None:
            found[cluster["label"]] = cluster["name"]
    for cluster in report["clusters"]:
        for each in cluster["classes"]:
            found.setdefault(each["label"], each["name"])
    return list(found.items())
