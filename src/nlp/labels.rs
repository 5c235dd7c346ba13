//! The label sets every pack, policy and decision shares. Names are stable: they are what routing systems match on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Core intents in pack order; see the labelling guide in `docs/labels.md` for what each means.
pub const INTENTS: [&str; 36] = [
    "product.question",
    "product.price",
    "product.compare",
    "order.place",
    "order.change",
    "order.cancel",
    "order.status",
    "delivery.problem",
    "delivery.options",
    "return.request",
    "refund.request",
    "refund.status",
    "payment.problem",
    "billing.question",
    "billing.dispute",
    "promotion.question",
    "account.open",
    "account.access",
    "account.update",
    "account.close",
    "subscription.change",
    "subscription.cancel",
    "subscription.renew",
    "security.fraud",
    "privacy.request",
    "technical.problem",
    "technical.outage",
    "setup.help",
    "appointment.manage",
    "policy.question",
    "complaint",
    "praise",
    "feedback.suggestion",
    "agent.request",
    "smalltalk",
    "other",
];

/// What a pack's head may have as its last label: no intent can be told, or the text places nobody. It never leaves
/// the analysis: as the most probable label it means abstaining.
pub const NONE: &str = "-";

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every label, in pack order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as it stands in decisions, policies and packs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The label of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|label| label.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

labels! {
    /// The heads, as what a label is called.
    LabelKind {
        /// Of the whole message.
        Sentiment = "sentiment",
        /// What the customer wants.
        Intent = "intent",
        /// Where in the journey.
        Stage = "stage",
        /// A feeling.
        Emotion = "emotion",
        /// A fact that routing reacts to.
        Signal = "signal",
    }
}

labels! {
    /// What the customer feels toward the company, product or contact.
    SentimentLabel {
        /// Something failed the customer.
        Negative = "negative",
        /// Questions, requests, facts.
        Neutral = "neutral",
        /// Satisfaction, thanks for something achieved, praise, relief.
        Positive = "positive",
    }
}

labels! {
    /// Where in the customer journey a message places the customer.
    Stage {
        /// Does not yet know what the company offers.
        Awareness = "awareness",
        /// Compares and asks before buying.
        Consideration = "consideration",
        /// Is buying now.
        Purchase = "purchase",
        /// Has just bought and is getting started.
        Onboarding = "onboarding",
        /// Has it and needs something.
        Support = "support",
        /// May leave or has to be kept.
        Retention = "retention",
        /// Praises and recommends.
        Advocacy = "advocacy",
    }
}

labels! {
    /// Feelings shown in a message; several may hold at once.
    Emotion {
        /// Hostility, outrage.
        Anger = "anger",
        /// Worn out by what does not work.
        Frustration = "frustration",
        /// Does not understand.
        Confusion = "confusion",
        /// Fears a consequence.
        Worry = "worry",
        /// Grief, disappointment that hurts.
        Sadness = "sadness",
        /// Thanks for something achieved.
        Gratitude = "gratitude",
        /// Delight.
        Joy = "joy",
    }
}

labels! {
    /// Facts in a message that routing reacts to.
    SignalKind {
        /// Asks for a human, a manager or a call back.
        AgentRequest = "agent_request",
        /// Lawyer, court, regulator, consumer association.
        LegalThreat = "legal_threat",
        /// Danger to people, self-harm included.
        Safety = "safety",
        /// Illness, age, disability, bereavement, hardship that calls for care.
        Vulnerable = "vulnerable",
        /// Unauthorised use, stolen card, account taken over.
        Fraud = "fraud",
        /// Wants to leave.
        Churn = "churn",
        /// Has been in touch about this before.
        RepeatContact = "repeat_contact",
        /// Names a date or time by which it must be done.
        Deadline = "deadline",
        /// Cannot pay.
        PaymentDifficulty = "payment_difficulty",
        /// Many or a whole business without service.
        Outage = "outage",
        /// Praises.
        Praise = "praise",
        /// Written by a machine: out of office, bounce, receipt.
        AutoReply = "auto_reply",
        /// Was told different things.
        Contradiction = "contradiction",
    }
}
