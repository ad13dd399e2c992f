"""FaceScape: 847 people, 20 expressions, registered meshes with textures, static."""

import numpy as np

from smile_jax.core.text_files import read_text
from smile_jax.data.examples import Sequence4D
from smile_jax.data.scan_builder import ScanBuilder, ScanConfig, with_small
from smile_jax.data.source_folder import DatasetFolder, FolderError
from smile_jax.faces.class_spellings import FACESCAPE, GENDERS

_MOSAICS = (360, 847)  # numbers of the people whose textures may hide their eyes


class Builder(ScanBuilder):
    """Models of FaceScape; subject and class by name, gender and age by a list."""

    CLASSES = FACESCAPE
    BUILDER_CONFIGS = with_small(
        ScanConfig(name="static", description="20 expressions of each person")
    )
    TREE = """\
  1/models_reg/1_neutral.obj   mesh; or models_reg/1_neutral.obj, <person>_<expression>
  1/models_reg/1_neutral.obj.mtl, 1_neutral.jpg   its material and texture
  ... 20 expressions of each person; or 1/1_neutral.ply of the multi-view set
  info_list_v2.txt             index, m or f, age; optional"""

    builder_config: ScanConfig

    def describe(self) -> dict:
        return {
            "description": "FaceScape expressions, rendered from several views.",
            "homepage": "https://facescape.nju.edu.cn",
        }

    def extra_features(self) -> dict:
        return {"age": np.int32}

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        expression = rf"(?P<expression>{'|'.join(FACESCAPE)})"
        scans = tree.take(rf"(?P<subject>\d+)/models_reg/\d+_{expression}\.obj")
        scans = scans or tree.take(rf"models_reg/(?P<subject>\d+)_{expression}\.obj")
        multiview = rf"(?P<subject>\d+)/\d+_{expression}"
        scans = scans or tree.take(rf"{multiview}\.ply")
        tree.take(rf"{multiview}/(?:\d+\.jpg|params\.json)")
        tree.take(rf"models_reg/\d+_{expression}(?:\.obj\.mtl|\.mtl|\.jpg)")
        tree.take(r"dpmap/.*\.png")
        people = self._people(tree)
        self._note_mosaics({int(match["subject"]) for match, _ in scans})
        found = []
        for match, path in scans:
            gender, age = people.get(int(match["subject"]), ("unknown", -1))
            found.append(
                Sequence4D(
                    key=f"{int(match['subject']):04d}_{match['expression']}",
                    frames=self.mesh_files([path]),
                    labels={
                        "expression": match["expression"],
                        "subject": f"{int(match['subject']):04d}",
                        "gender": gender,
                        "age": age,
                    },
                )
            )
        return found

    def _note_mosaics(self, people: set[int]) -> None:
        """Says how many of the people may have no eyes in their texture."""
        low, high = _MOSAICS
        some = [person for person in people if low <= person <= high]
        if some and "texture" in self.builder_config.channels:
            self.notes.append(
                f"{len(some)} people are of {low} to {high}, of whom some have mosaics "
                "over their eyes in the texture (by the dataset's own word; nobody "
                "lists who); build with depth and normals, or exclude them"
            )

    def _people(self, tree: DatasetFolder) -> dict[int, tuple[str, int]]:
        """Subject -> (gender, age), from `info_list_v2.txt` where it is there."""
        people = {}
        for _, path in tree.take(r"info_list(_v\d)?\.txt"):
            for number, line in enumerate(read_text(path).splitlines(), start=1):
                words = line.replace(",", " ").split()
                if len(words) < 3 or not words[0].isdecimal():
                    continue  # a header, or a blank line
                # "-" is how the list says that it does not know.
                if words[1].upper() not in (*GENDERS, "-") or not (
                    words[2] == "-" or words[2].isdecimal()
                ):
                    raise FolderError(
                        f"{path}: line {number}: {line[:40]!r} is no 'index m|f age'"
                    )
                gender = GENDERS.get(words[1].upper(), "unknown")
                age = -1 if words[2] == "-" else int(words[2])
                people[int(words[0])] = (gender, age)
        return people
