"""Serving: load a bundle, score a vector, explain it, assess a member. (Signatures first.)

load_bundle(path: Path) -> Model                                    raises BundleInvalid
load_models(root: Path = BUNDLES) -> dict[ScoreKind, Model]         both shipped bundles
Model.score(vector: NDArray[float64]) -> Prediction                 raises ScoringFailed
    Prediction(raw: float, pd: float, points: int, band: str)
Model.explain(vector) -> Explanation
    Explanation(raw, bias, contributions: dict[group, log-odds], reasons: tuple[Reason, ...])
Model.close() -> None                                               frees native handles
assess(facts: Sequence[Fact], as_of: datetime, models) -> dict[ScoreKind, Score]
raw_c_call(model) -> Callable[[], object]                           only the C call, to divide by
"""
