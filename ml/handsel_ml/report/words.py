"""What the report says in words. Plain ones: it is read by people who decide, not who program."""

from __future__ import annotations

from handsel_ml.contract import ScoreKind

SCORES: dict[ScoreKind, str] = {"financial": "Financial score", "social": "Social score"}
MEASURES: dict[ScoreKind, str] = {
    "financial": "the chance that a member's next deal costs somebody money by the member's doing: "
    "an order accepted and never paid, a chargeback lost, an advance not paid back, an item not "
    "returned, a paid order not delivered",
    "social": "the chance that a member's next deal goes badly by the member's conduct: a dispute "
    "lost, a cancellation after acceptance, a no-show, an upheld report",
}
PURPOSE = (
    "A score says how likely a member's next deal is to end badly by the member's own doing, from "
    "what the member did on this platform before. It is used for one thing: how much a member may "
    "pay, hold and owe at once. It never bans anybody, is never combined with the other score into "
    "one number, and every member sees it with its reasons and may appeal to a person."
)
SIMULATED = (
    "These figures come from a simulated town. Its members, their types and the rates at which "
    "they fail were set by hand; nothing here was measured on people. The figures show that the "
    "method ranks and calibrates what the simulator hides, and no more. Before real limits depend "
    "on a score it must be trained and judged again on matured facts of the real market."
)
OWN = (
    "These figures come from the platform's own facts, judged on deals opened after the moment of "
    "training whose outcome has been known long enough."
)
MEANING: dict[str, str] = {
    "auc": "How well it ranks. Of one bad and one good deal picked by chance, the share of pairs "
    "in which the bad one had the worse score. 0.5 is a coin, 1 is perfect.",
    "ks": "How far it parts. The widest gap between the shares of bad and of good deals below one "
    "and the same score.",
    "observed_to_expected": "How true its level is. Bad deals that came, over bad deals foretold. "
    "1 is exact; below 1 it was too cautious, above 1 too trusting.",
    "ece": "How far a foretold chance is off, on average over ten groups from safest to riskiest.",
    "log_loss": "How surprised it was by what came, in nats per deal. Lower is better; it punishes "
    "confident mistakes. Only comparable on the same deals.",
    "brier": "Mean squared error of the foretold chance. Lower is better.",
    "gini": "The AUC on a scale from 0 (a coin) to 1 (perfect).",
    "impact": "How evenly it approves. The share approved of the least approved protected group, "
    "over that of the most approved. Four fifths (0.80) is the usual bound.",
}
FIGURES: dict[str, str] = {
    "auc": "AUC", "gini": "Gini", "ks": "KS", "brier": "Brier score", "log_loss": "Log loss",
    "ece": "Calibration error (ECE)", "observed_to_expected": "Observed / expected",
    "impact": "Adverse-impact ratio",
}  # fmt: skip
CAPTIONS: dict[str, str] = {
    "roc": "Ranking. Look at how far the line bends to the upper left: there, many bad deals are "
    "stopped for few good ones. The dotted line is chance.",
    "ks": "Separation. The bad deals should gather at low points, left of the good ones. The "
    "upright line is where the two are farthest apart.",
    "calibration": "Level. Ten groups of equal size, safest first. Each dot should lie on the "
    "dotted line, its bar should cross the shaded ±10 %. Above it, the score is too trusting.",
    "distribution": "Where members are. The further the two shapes lie apart, the better. Deals "
    "left of the dashed floor are refused the tier for which members must be verified (T2).",
    "curves": "Ageing. Each line is a cohort of members who had their first scored deal in the "
    "same quarter; it shows the share of their deals that went bad so far. Newer cohorts (darker) "
    "above older ones would mean that the newcomers get worse.",
    "vintages": "Level over time. Deals by the month in which they were opened. A run of dots to "
    "one side of the shaded ±10 % means that the level no longer fits. Months in which fewer than "
    "ten bad deals were foretold are left out.",
    "reasons": "What members are told. Points lost against a good, ordinary member, averaged over "
    "deals. One long bar means that the score hangs on one thing.",
    "drift": "Has the world moved? Deals judged against the newest fifth of those learnt from. "
    "Beyond .10 look into it, beyond .25 explain it before relying on the score.",
    "impact": "Approval by group, against the group approved most, with 95 % intervals. Bars "
    "should pass the dashed line. The model knows none of these groups.",
    "level": "Level by group. Dots should lie in the shaded ±10 %: right of it, the score is too "
    "trusting with the group, left of it too hard on it.",
    "bands": "Bands. Foretold and observed should agree in each, and the observed share must rise "
    "from row to row.",
    "segments": "Segments that the model may know. Ranking and level should hold in each.",
    "groups": "The three looks at fairness: is the level true for everybody, is everybody approved "
    "alike, and are members whose deals go well approved alike?",
    "swaps": "Rows: the champion's band. Columns: this model's. On the diagonal nothing changes "
    "for the member. In small: how many of those deals went bad.",
    "figures": "All figures with their 95 % intervals (members resampled, not deals).",
}
NOT_HELD = "No protected group is held for these deals, so fairness was not measured."
NO_CHAMPION = "There is no champion to compare with: this is the first model of its score."
ASSUMPTIONS = """\
Hidden types of members, their shares and their rates are set by hand and fitted to no real\
 platform (handsel_ml/simulate/population.py).
Nobody in the town adapts to the score; bad types are drawn independently of each other, but for\
 rings and farms.
Protected groups are synthetic: they test that unfairness would be seen, not that there is none\
 among people.
Outcomes are judged only when they are ripe: 120 days after a deal was due for the financial score,\
 30 for the social one. Deals whose end says nothing of a member are counted and left out.
Of one member at most so many deals are used as the configuration says, so that busy members do not\
 drown the others.""".splitlines()
_NAMES = {"pd": "PD", "top_ups": "top-ups", "no_shows": "no-shows"}


def named(identifier: str) -> str:
    """An identifier as words: "late_rate" is "late rate"."""
    return _NAMES.get(identifier, identifier.replace("_", " "))
