//! The texts of the pages, a file per language. What a decision calls things (intents, signals, flags, queues) stays as the
//! decision has it: policies and other systems use those names.

mod canary;
mod en;
mod erasure;
mod it;
mod maps;
mod operations;
mod policy;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Italian.
    It,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::It];

    /// ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::It => "it",
        }
    }

    /// The language of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// What the browser asks for first of what there is, else the default.
    pub fn asked(headers: &HeaderMap, default: &str) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wanted = |part: &str| Self::from_code(&part.trim().get(..2)?.to_ascii_lowercase());
        asked.split(',').find_map(wanted).or_else(|| Self::from_code(default)).unwrap_or(Self::En)
    }

    /// Its texts about maps.
    pub fn maps(self) -> &'static maps::Words {
        match self {
            Self::En => &maps::EN,
            Self::It => &maps::IT,
        }
    }

    /// Its texts about the policy.
    pub fn policy(self) -> &'static policy::Words {
        match self {
            Self::En => &policy::EN,
            Self::It => &policy::IT,
        }
    }

    /// Its texts about the canary.
    pub fn canary(self) -> &'static canary::Words {
        match self {
            Self::En => &canary::EN,
            Self::It => &canary::IT,
        }
    }

    /// Its texts about erasing customers.
    pub fn erasure(self) -> &'static erasure::Words {
        match self {
            Self::En => &erasure::EN,
            Self::It => &erasure::IT,
        }
    }

    /// Its texts about the workers.
    pub fn operations(self) -> &'static operations::Words {
        match self {
            Self::En => &operations::EN,
            Self::It => &operations::IT,
        }
    }

    /// Its texts.
    pub fn words(self) -> &'static Words {
        match self {
            Self::En => &en::WORDS,
            Self::It => &it::WORDS,
        }
    }
}

macro_rules! words {
    ($($name:ident),+ $(,)?) => {
        /// The texts of one language, named for what they say in English.
        #[derive(Debug)]
        pub struct Words {
            /// Of these.
            pub language: Language,
            /// Names of labels, as decisions have them, with what people call them.
            pub labels: &'static [(&'static str, &'static str)],
            $(#[doc = concat!("`", stringify!($name), "`")] pub $name: &'static str,)+
        }

        impl Words {
            /// Every text.
            #[cfg(test)]
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),+]
            }
        }
    };
}

words! {
    console, skip, sign_in, sign_out, account, password, sign_in_wrong, sign_in_wait, sign_in_provider, sign_in_away, sign_in_failed,
    sign_in_no_role, sign_in_taken, signed_out, sign_out_provider, signed_in_as,
    queue_title, views, to_do, mine, unassigned, urgent, resolved, saved_views, save_view, view_name, forget,
    filters, search, apply, clear, any, sort, most_urgent, newest, status, priority, queue, channel, stage,
    sentiment, language_label, signal, nothing_here, nothing_here_why, next_page, first_page, open_one, open_one_why,
    loading, news, due, overdue, no_due, back, conversation, transcript, customer, agent, bot, subject,
    brief, why, rule, reason, evidence, without, no_rules, priority_now, route, action, assignee, nobody,
    intents, confidence, abstained, signals, flags, emotions, experience, churn, promises, kept, not_kept,
    contacts, others, no_others, curve, curve_table, message, score, at, versions, model, policy, input, state,
    history, no_history, comment, say, assign_me, resolve, reopen, confirm, correct, note, unchanged,
    corrected, confirmed, did_assign, did_resolve, did_reopen, did_comment, did_correct, degraded,
    keys, key_move, key_open, key_search, key_confirm, key_correct, key_assign, key_resolve, key_help, close,
    access_title, access_none, who, fault_title, fault_bad, fault_forbidden, fault_forged, fault_missing,
    fault_away, fault_again, fault_overtaken, script_off, access_short, correct_how, correct_send, key_quick,
    told_assign, told_resolve, told_reopen, told_comment, told_confirm, told_correct, more_flags, not_yet, not_yet_why, look_further, decision, revision, supersedes, open_keys,
}

impl Words {
    /// What people call a label; the label itself where it has no other name.
    pub fn label<'a>(&self, name: &'a str) -> &'a str {
        self.labels.iter().find(|(label, _)| *label == name).map_or(name, |(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_everything_and_not_the_same() {
        let same_word = ["account", "password", "sentiment", "bot", "message", "churn", "input", "console"];
        for ((name, en), (_, it)) in en::WORDS.all().into_iter().zip(it::WORDS.all()) {
            assert!(!en.is_empty() && !it.is_empty(), "{name}");
            assert!(en != it || same_word.contains(&name), "{name}: {en}");
        }
        let names = |words: &Words| words.labels.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names(&en::WORDS), names(&it::WORDS));
    }

    #[test]
    fn the_browsers_first_wish_counts() {
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, text.parse().unwrap())]);
            Language::asked(&headers, "en")
        };
        assert_eq!(asked("it-IT,it;q=0.9,en;q=0.8"), Language::It);
        assert_eq!(asked("de, en;q=0.5"), Language::En);
        assert_eq!(asked("*"), Language::En);
    }
}
