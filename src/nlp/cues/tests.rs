use super::*;
use proptest::prelude::*;

fn cues() -> Cues {
    Cues::new(&["en".into(), "it".into()]).unwrap()
}

#[test]
fn every_rule_finds_its_examples_and_leaves_the_others_alone() {
    let mut faults = Vec::new();
    for (language, source) in FILES {
        let (words, forms) = rules::forms(language, source).unwrap();
        for form in &forms {
            let rule = rules::compile(language, &words, form).unwrap();
            if form.yes.is_empty() {
                faults.push(format!("{} has no example", rule.name));
            }
            for (text, expected) in
                form.yes.iter().map(|text| (text, true)).chain(form.no.iter().map(|text| (text, false)))
            {
                if rule.first(&Folded::new(text)).is_some() != expected {
                    faults.push(format!(
                        "{} {} {text:?}",
                        rule.name,
                        if expected { "misses" } else { "finds" }
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn both_languages_have_rules_for_every_signal() {
    for (language, source) in FILES {
        let rules = rules::read(language, source).unwrap();
        for kind in SignalKind::ALL {
            assert!(rules.iter().any(|rule| rule.signal == Some(*kind)), "{language} has none for {kind}");
        }
    }
}

/// A rule's own "no" speaks for that rule only; these no rule of the signal may find.
#[test]
fn near_misses_are_left_alone_by_every_rule_of_the_signal() {
    let cues = cues();
    for (kind, text) in [
        (SignalKind::Vulnerable, "a phone for my dad, 84"),
        (SignalKind::Vulnerable, "My daughter passed her driving test"),
        (SignalKind::Vulnerable, "con la carrozzina come si accede?"),
        (SignalKind::Vulnerable, "Due adulti e un neonato sul volo delle 7"),
        (SignalKind::RepeatContact, "third outage this month"),
        (SignalKind::RepeatContact, "I sent a 44 back, I asked for 41"),
        (SignalKind::RepeatContact, "Treno in ritardo per tre giorni di fila"),
        (SignalKind::RepeatContact, "terzo pacco perso"),
        (SignalKind::Safety, "shocking service, and the card was swallowed"),
        (SignalKind::Safety, "la vita in trasferta, e che profumo"),
        (SignalKind::Churn, "I'm out between 1 and 3, leave it next door"),
        (SignalKind::Churn, "vorrei disdire la prenotazione del tavolo"),
        (SignalKind::Churn, "mai più senza, compratelo"),
        (SignalKind::Fraud, "I never ordered this add-on"),
        (SignalKind::Outage, "l'interruzione è finita, la luce è tornata"),
        (SignalKind::LegalThreat, "I work at a law office, our terms?"),
        (SignalKind::AgentRequest, "The manager told me it was free"),
    ] {
        let found: Vec<Cue> = cues.find(text).into_iter().filter(|cue| cue.signal == Some(kind)).collect();
        assert_eq!(found, [], "{text}");
    }
}

#[test]
fn names_are_unique() {
    let cues = cues();
    let mut names: Vec<&str> = cues.rules.iter().map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn spans_are_the_words_of_the_original() {
    let text = "È così: 😡 VOGLIO PARLARE con un operatore, perché… non va";
    let found = cues().find(text);
    let cue = found.iter().find(|cue| cue.signal == Some(SignalKind::AgentRequest)).unwrap();
    let words: String = text.chars().skip(cue.span[0]).take(cue.span[1] - cue.span[0]).collect();
    assert_eq!(words, cue.text);
    assert!(cue.text.contains("PARLARE con un operatore"), "{cue:?}");
}

#[test]
fn a_language_that_is_not_enabled_has_no_say() {
    let english = Cues::new(&["en".into()]).unwrap();
    assert_eq!(english.find("voglio parlare con un operatore"), []);
    assert_ne!(english.version(), cues().version());
    assert_eq!(Cues::new(&["fr".into()]).unwrap().find("I want a human"), []);
}

#[test]
fn a_bad_rule_is_named() {
    for (source, part) in [
        ("[[rule]]\nname='a'\nsignal='nope'\nfind=['x']\nyes=[]", "no signal nope"),
        ("[[rule]]\nname='a'\nsignal='fraud'\nfind=['(']\nyes=[]", "en.a"),
        ("[[rule]]\nname='a'\nsignal='fraud'\nfind=['<x>']\nyes=[]", "no word list"),
        ("[[rule]]\nname='a'\nfind=['x']\nyes=[]", "says nothing"),
        ("[[rule]]\nname='a'\nmatch='x'", "unknown field"),
    ] {
        let error = rules::read("en", source).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_valid_spans(text in any::<String>()) {
        let length = text.chars().count();
        for cue in cues_once().find(&text) {
            prop_assert!(cue.span[0] < cue.span[1] && cue.span[1] <= length);
        }
    }

    #[test]
    fn spans_hold_around_real_words(before in "\\PC{0,40}", after in "\\PC{0,40}") {
        let text = format!("{before} I want to speak to a manager. {after}");
        for cue in cues_once().find(&text) {
            let words: String = text.chars().skip(cue.span[0]).take(cue.span[1] - cue.span[0]).collect();
            prop_assert_eq!(words, cue.text);
        }
    }
}

fn cues_once() -> &'static Cues {
    static CUES: std::sync::LazyLock<Cues> = std::sync::LazyLock::new(cues);
    &CUES
}
