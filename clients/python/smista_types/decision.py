# Made by scripts/client-types from clients/schema.

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

Action: TypeAlias = Literal['self_service', 'queue', 'escalate', 'none']


class Attachment(TypedDict):
    """
    Something attached to a message; carried on to the agent, never opened.
    """

    bytes: NotRequired[int | None]
    media_type: NotRequired[str | None]
    name: str
    url: NotRequired[str | None]


Channel: TypeAlias = Literal['chat', 'email', 'call', 'sms', 'messaging', 'social', 'review', 'survey']


Complexity: TypeAlias = Literal['bot', 'standard', 'expert']


class ContactView(TypedDict):
    """
    One earlier contact.
    """

    at: str
    channel: Channel
    conversation_id: str
    intent: NotRequired[str | None]
    sentiment: float


Emotion: TypeAlias = Literal['anger', 'frustration', 'confusion', 'worry', 'sadness', 'gratitude', 'joy']


GoalKind: TypeAlias = Literal['solve', 'ask', 'compare', 'buy', 'change', 'praise']


class GoalView(TypedDict):
    """
    Goal and whether it is open.
    """

    kind: GoalKind
    open: bool
    since: str


Group: TypeAlias = Literal['detractor', 'passive', 'promoter']


class Input(TypedDict):
    """
    One input of the experience score.
    """

    name: str
    points: float
    value: float


LabelKind: TypeAlias = Literal['sentiment', 'intent', 'stage', 'emotion', 'signal']


class Language(TypedDict):
    """
    The language a message is written in.
    """

    code: str
    confidence: float


Level: TypeAlias = Literal['low', 'normal', 'high', 'urgent']


class OpenGoal(TypedDict):
    """
    Something the customer wants and has not got yet.
    """

    conversation_id: NotRequired[str]
    conversations: NotRequired[int]
    intent: str
    kind: GoalKind
    last_at: NotRequired[str]
    reopened: NotRequired[int]
    since: str


class Priority(TypedDict):
    """
    Priority.
    """

    level: Level
    score: float


class Promise(TypedDict):
    """
    A promise of the contact centre.
    """

    at: str
    conversation_id: str
    due: NotRequired[str | None]
    kept: bool
    text: str


EvidenceItem: TypeAlias = int


class Reason(TypedDict):
    """
    One rule that matched.
    """

    evidence: NotRequired[list[EvidenceItem] | None]
    rule: str
    text: str
    without: Level


RiskLevel: TypeAlias = Literal['low', 'medium', 'high']


class Route(TypedDict):
    """
    Where it goes.
    """

    action: Action
    language: str
    queue: NotRequired[str | None]
    skills: list[str]
    sla_due_at: NotRequired[str | None]


SpanItem: TypeAlias = int


SameBy: TypeAlias = Literal['intent', 'words', 'said']


class Scored(TypedDict):
    """
    A label with its calibrated confidence.
    """

    confidence: float
    name: Emotion


class Scored2(TypedDict):
    """
    A label with its calibrated confidence.
    """

    confidence: float
    name: str


SentimentLabel: TypeAlias = Literal['negative', 'neutral', 'positive']


SignalKind: TypeAlias = Literal['agent_request', 'legal_threat', 'safety', 'vulnerable', 'fraud', 'churn', 'repeat_contact', 'deadline', 'payment_difficulty', 'outage', 'praise', 'auto_reply', 'contradiction']


SignalSource: TypeAlias = Literal['cue', 'model', 'both', 'metadata']


Source: TypeAlias = Literal['agent', 'bot', 'site']


Stage: TypeAlias = Literal['awareness', 'consideration', 'purchase', 'onboarding', 'support', 'retention', 'advocacy']


class Survey(TypedDict):
    """
    What marks say.
    """

    about: NotRequired[str | None]
    group: Group
    rating: int
    root_cause: NotRequired[str | None]


ToneIssue: TypeAlias = Literal['missing_greeting', 'no_empathy', 'banned_phrase']


Transition: TypeAlias = Literal['advanced', 'regressed', 'same']


Trend: TypeAlias = Literal['improving', 'steady', 'worsening']


class Versions(TypedDict):
    """
    Hashes that make the decision reproducible.
    """

    input: str
    model: str
    policy: str
    schema: str
    settings: NotRequired[str | None]
    state: str


class WeightedSpan(TypedDict):
    """
    Words in a row that spoke for a label.
    """

    end: int
    start: int
    weight: float


class ChurnRisk(TypedDict):
    """
    Churn risk with its reasons.
    """

    level: RiskLevel
    reasons: list[str]


class Cited(TypedDict):
    """
    An earlier message about the same problem.
    """

    at: str
    by: SameBy
    channel: Channel
    conversation_id: str
    message_id: str


class Experience(TypedDict):
    """
    Experience score.
    """

    inputs: NotRequired[list[Input]]
    previous: NotRequired[int | None]
    score: int


class Explained(TypedDict):
    """
    The words that carried one label.
    """

    kind: LabelKind
    name: str
    spans: list[WeightedSpan]


class RepeatContact(TypedDict):
    """
    Repeat contact.
    """

    cites: NotRequired[list[Cited]]
    count: NotRequired[int]
    days: float
    is_repeat: bool
    of: list[str]


class Said(TypedDict):
    """
    What was said, and where it stands.
    """

    at: str
    by: Source
    conversation_id: str
    message_id: str
    span: list[SpanItem]
    text: str
    turn: int


class Sentiment(TypedDict):
    """
    Sentiment of the whole message and along it.
    """

    confidence: float
    first_third: float
    label: SentimentLabel
    last_third: float
    score: float
    shift: float


class Signal(TypedDict):
    """
    A fact in the message that routing reacts to.
    """

    confidence: float
    name: SignalKind
    source: SignalSource
    span: NotRequired[list[SpanItem] | None]
    text: NotRequired[str | None]


class StageView(TypedDict):
    """
    Stage with its transition.
    """

    confidence: float
    name: Stage
    previous: NotRequired[Stage | None]
    transition: Transition


class Tone(TypedDict):
    """
    Something amiss in the contact centre's turns.
    """

    issue: ToneIssue
    span: NotRequired[list[SpanItem] | None]
    text: NotRequired[str | None]
    turn: NotRequired[int | None]


class Analysis(TypedDict):
    """
    The analysis as published: the message's own meaning, with stage and goal set against the journey.
    """

    abstained: bool
    complexity: Complexity
    effort: float
    emotions: list[Scored]
    explanation: NotRequired[list[Explained] | None]
    goal: NotRequired[GoalView | None]
    intents: list[Scored2]
    language: Language
    questions: list[str]
    sentiment: Sentiment
    signals: list[Signal]
    stage: NotRequired[StageView | None]


class Contradiction(TypedDict):
    """
    Two things the customer was told that cannot both be true.
    """

    first: Said
    kind: str
    second: Said


class JourneyView(TypedDict):
    """
    The agent brief: what a decision shows of the journey.
    """

    brief: str
    churn_risk: ChurnRisk
    contacts: list[ContactView]
    contradictions: NotRequired[list[Contradiction]]
    effort: NotRequired[float]
    experience: Experience
    follow_up: NotRequired[str | None]
    open_goals: NotRequired[list[OpenGoal]]
    promises: list[Promise]
    prospect: NotRequired[bool]
    repeat_contact: RepeatContact
    sentiment_trend: NotRequired[Trend]
    survey: NotRequired[Survey | None]
    tone: NotRequired[list[Tone]]


class Decision(TypedDict):
    """
    A routing decision.
    """

    analysis: Analysis
    attachments: NotRequired[list[Attachment]]
    channel: Channel
    conversation_id: str
    customer_id: str
    decided_at: str
    decision_id: str
    degraded: bool
    flags: list[str]
    journey: JourneyView
    message_id: str
    priority: Priority
    reasons: list[Reason]
    revision: int
    route: Route
    schema: str
    supersedes: NotRequired[str | None]
    tags: NotRequired[list[str]]
    versions: Versions
