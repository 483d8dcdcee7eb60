"""The evidence on disk: Parquet files read one model at a time, and what may be asked of them.

A store reads nothing until asked and keeps what it read; of one content there is one store per process.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from advisor import database
from advisor.domain import EvidenceKind
from advisor.errors import CorruptSnapshot, ProfileMissing, UnknownName
from advisor.profiles import calibration
from advisor.profiles.own_store import own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from advisor.domain import Model, NoThroughput, Slo, Throughput
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.evaluate import Grids
    from advisor.profiles.evidence import Profile
    from advisor.profiles.replica import Replica

FILES: Final = ("measured.parquet", "simulated.parquet")
ERRORS: Final = "errors.toml"


class ProfileStore:
    """Measured, simulated and estimated throughput behind one query."""

    def __init__(self, root: Path, own: Path | None = None) -> None:
        """``root`` is a catalogs directory, ``own`` a folder of the user's; nothing is read yet."""
        self._root = root
        self._folder = root / "profiles"
        self._own_folder = own
        self._profiles: dict[tuple[str, str], tuple[Profile, ...]] = {}
        self._replicas: dict[tuple[str, str], dict[tuple[str, int], list[Profile]]] = {}
        self._grids: Grids = {}

    @classmethod
    def load(cls, root: Path | None = None, own: Path | None = None) -> ProfileStore:
        """The profiles in ``root`` (a catalogs directory), by default those in the package; and the user's.

        Raises:
            ProfileMissing: a profile file is not there.
        """
        store = cls(Path(str(resources.files("catalogs"))) if root is None else root, own)
        missing = [name for name in FILES if not (store._folder / name).is_file()]
        if missing:
            raise ProfileMissing(f"profiles/{missing[0]} is missing: the installation is incomplete")
        return _kept(store._root, own if store.own_files else None, store.profiles_sha256)

    @cached_property
    def profiles_sha256(self) -> str:
        """Of every file an answer can depend on, names included; the user's own come last."""
        digest = hashlib.sha256()
        shipped = sorted([*self._folder.glob("*.parquet"), *self._folder.glob("*.toml")])
        for path in (*shipped, *self.own_files):
            digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()

    @cached_property
    def own_files(self) -> tuple[Path, ...]:
        """The user's own profiles, by name."""
        return own_files(self._own_folder)

    def _files(self) -> list[str]:
        return [*(str(self._folder / name) for name in FILES), *map(str, self.own_files)]

    @cached_property
    def calibration(self) -> Calibration:
        """Constants of the estimator."""
        return calibration.load(self._root)

    @cached_property
    def errors(self) -> dict[str, Any]:
        """Typical errors of measured and simulated figures; empty where none were worked out."""
        path = self._folder / ERRORS
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def throughputs(
        self,
        replica: Replica,
        sizes: Sequence[tuple[float, float]],
        slo: Slo,
        weakest: EvidenceKind = EvidenceKind.ESTIMATED,
        *,
        for_replay: bool = False,
        idle: Sequence[bool] | None = None,
    ) -> tuple[Throughput | NoThroughput, ...]:
        """Requests per second one replica sustains, or why none, for each (input, output) size in tokens.

        The strongest evidence that reaches a size answers for it: measured, then simulated, then estimated,
        none weaker than ``weakest``. An engine left open takes every engine's figures. Sizes are of what is
        visible; the replica's traffic adds its hidden tokens and its other effects. ``for_replay`` leaves
        queueing and percentiles to the replay that holds the plan to the SLO; ``idle`` says for which sizes
        an idle replica must be within the limits already.
        """
        from advisor.profiles.evaluate import Evaluation, evaluate, evaluate_for_replay

        ours = self._of_replica(replica)
        asked = Evaluation(replica, slo, weakest, ours, self.calibration, self._grids)
        return evaluate_for_replay(asked, sizes, idle or ()) if for_replay else evaluate(asked, sizes)

    def profiles(self, model: Model, slo: Slo | None = None) -> tuple[Profile, ...]:
        """What there is for a model or one of its shape, strongest and newest first.

        With an SLO only those with points that can judge it; simulated ones state means alone.
        """
        found = self._read(model)
        return found if slo is None else tuple(profile for profile in found if profile.judges(slo))

    def _read(self, model: Model) -> tuple[Profile, ...]:
        from advisor.profiles.equivalence import shape_key
        from advisor.profiles.read import read_profiles

        key = (model.id, shape_key(model))
        if key not in self._profiles:
            with self._connect() as connection:
                self._profiles[key] = read_profiles(connection, self._files(), *key, self.error_pct)
            by_replica: dict[tuple[str, int], list[Profile]] = {}
            for profile in self._profiles[key]:
                by_replica.setdefault((profile.accelerator, profile.tensor_parallel), []).append(profile)
            self._replicas[key] = by_replica
        return self._profiles[key]

    def _of_replica(self, replica: Replica) -> Sequence[Profile]:
        from advisor.profiles.equivalence import shape_key

        model, key = replica.model, (replica.accelerator.id, replica.tensor_parallel)
        self._read(model)
        return self._replicas[model.id, shape_key(model)].get(key, ())

    def error_pct(self, kind: EvidenceKind, accelerator: str) -> float | None:
        """Median absolute error in percent of that kind of figure, the accelerator's own if known."""
        entry = self.errors.get(kind.value, {})
        own = entry.get("by_accelerator", {}).get(accelerator, {})
        value = own.get("median_abs_pct", entry.get("median_abs_pct"))
        return None if value is None else float(value)

    def summaries(self) -> list[dict[str, Any]]:
        """One record per profile: what it is, how many sizes and loads, and whether it can answer an SLO."""
        from advisor.profiles.read import SUMMARY

        return self._records(SUMMARY)

    def points(self, profile_id: str) -> list[dict[str, Any]]:
        """Every row of a profile, as stored.

        Raises:
            UnknownName: no such profile.
        """
        from advisor.profiles.read import POINTS

        records = self._records(POINTS, [profile_id.casefold()])
        if not records:
            raise UnknownName("profile", profile_id, (summary["profile_id"] for summary in self.summaries()))
        return records

    def _records(self, query: str, parameters: Sequence[str] = ()) -> list[dict[str, Any]]:
        files = self._files()
        with self._connect() as connection:
            relation = connection.execute(query, [files, *parameters])
            names = [column[0] for column in relation.description or ()]
            return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]

    def _connect(self) -> _Reading:
        return _Reading()


@lru_cache(maxsize=4)
def _kept(root: Path, own: Path | None, sha256: str) -> ProfileStore:
    """The store of that content: one command, or one server, reads and judges a profile once."""
    return ProfileStore(root, own)


class _Reading:
    """A DuckDB connection whose complaints about our files become our own."""

    def __enter__(self) -> duckdb.DuckDBPyConnection:

        self._connection = database.connect()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import duckdb

        self._connection.close()
        if isinstance(error, duckdb.Error):
            raise CorruptSnapshot(f"throughput profiles: {str(error).splitlines()[0]}") from error
