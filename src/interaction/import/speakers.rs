//! Who of a transcript's speakers is the customer and who the agent.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::transcript::Cue;
use super::{ImportError, Settings};
use crate::interaction::chat;
use crate::interaction::model::Author;
use crate::interaction::text::shown;

/// Names told in an error.
const TOLD: usize = 5;
/// Turns in which a greeting is looked for.
const OPENING: usize = 3;

/// What people of a contact centre say when a call begins, and customers do not.
static GREETING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:how (?:can|may) I (?:help|assist)|what can I do for you|(?:thank you|thanks) for (?:calling|contacting|getting in touch|holding)",
        r"|(?:this call|calls?) (?:may|will|is|are) (?:be )?(?:being )?recorded|(?:may|can) I (?:have|take|get) your (?:name|account|order|customer|booking)",
        r"|(?:come|in (?:che|cosa)|cosa) (?:le |la |ti )?(?:posso|possiamo) (?:aiutar|essere (?:d'aiuto|utile)|fare per)|grazie per (?:aver(?:ci)? (?:chiamato|contattato)|la (?:chiamata|pazienza|attesa))",
        r"|mi (?:può|puo|fornisce|dà|da|lascia) (?:dire |dare |fornire |lasciare )?(?:il suo|un suo|il tuo) (?:nome|codice|numero|nominativo)|servizio clienti)",
    ))
    .ok()
});

/// What each speaker is, by name.
///
/// In this order: names given as agents, when one of them speaks, make everybody else the customer unless the name is that
/// of a role; names of roles (`Agent`, `Cliente`) speak for themselves, and a single other name is the side that is
/// missing; of other names, the one who greets as a contact centre does is the agent. A single speaker is the customer.
pub(super) fn roles(cues: &[Cue], settings: &Settings) -> Result<BTreeMap<String, Author>, ImportError> {
    let mut names: Vec<&str> = Vec::new();
    for name in cues.iter().filter_map(|cue| cue.speaker.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let given = |name: &str| settings.agents.iter().any(|agent| same(agent, name));
    let mut roles: BTreeMap<String, Author> = names
        .iter()
        .filter_map(|name| {
            let role = if given(name) { Some(Author::Agent) } else { chat::speaker(name) };
            Some(((*name).to_owned(), role?))
        })
        .collect();
    let others: Vec<&str> = names.iter().copied().filter(|name| !roles.contains_key(*name)).collect();
    let has = |role: Author| roles.values().any(|known| *known == role);
    let everybody = if names.iter().any(|name| given(name)) {
        Some(Author::Customer)
    } else if let ([_], true) = (others.as_slice(), has(Author::Agent) != has(Author::Customer)) {
        Some(if has(Author::Agent) { Author::Customer } else { Author::Agent })
    } else if names.len() == 1 {
        Some(Author::Customer)
    } else {
        None
    };
    match everybody {
        Some(role) => roles.extend(others.iter().map(|name| ((*name).to_owned(), role))),
        None if others.is_empty() => {}
        None => {
            let greeting = greeting(cues, &others);
            let (Some(agent), false) = (greeting, has(Author::Agent)) else {
                return Err(ImportError::UndecidedSpeakers { speakers: told(&names) });
            };
            for name in others {
                let role = if name == agent { Author::Agent } else { Author::Customer };
                roles.insert(name.to_owned(), role);
            }
        }
    }
    Ok(roles)
}

/// The only one of these who greets as an agent does.
fn greeting<'a>(cues: &[Cue], names: &[&'a str]) -> Option<&'a str> {
    let greeting = GREETING.as_ref()?;
    let greets = |name: &str| {
        let words: Vec<&str> = cues
            .iter()
            .filter(|cue| cue.speaker.as_deref() == Some(name))
            .take(OPENING)
            .map(|cue| cue.text.as_str())
            .collect();
        greeting.is_match(&words.join(" "))
    };
    let mut found = names.iter().copied().filter(|name| greets(name));
    let agent = found.next()?;
    found.next().is_none().then_some(agent)
}

/// Names as people write them: case and blanks do not matter.
pub(super) fn same(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(one) == plain(other)
}

fn told(names: &[&str]) -> String {
    let mut told: Vec<String> = names.iter().take(TOLD).map(|name| format!("`{}`", shown(name))).collect();
    if names.len() > TOLD {
        told.push(format!("{} more", names.len() - TOLD));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &[(&str, &str)], agents: &[&str], wanted: Option<&[(&str, Author)]>) {
        let cues: Vec<Cue> = said.iter().map(|(name, text)| Cue::said(Some(name), text)).collect();
        let agents = agents.iter().map(|name| (*name).to_owned()).collect();
        let found = roles(&cues, &Settings { agents, ..Settings::default() });
        let wanted =
            wanted.map(|wanted| wanted.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect());
        assert_eq!(found.ok(), wanted, "{said:?}");
    }

    #[test]
    fn roles_by_name_by_option_and_by_greeting() {
        use Author::{Agent, Bot, Customer};
        check(&[("Agent", "Hi"), ("Cliente", "Ciao")], &[], Some(&[("Agent", Agent), ("Cliente", Customer)]));
        check(
            &[("Agent 2", "Hi"), ("Ann Lee", "Hi")],
            &[],
            Some(&[("Agent 2", Agent), ("Ann Lee", Customer)]),
        );
        check(
            &[("IVR", "Press 1"), ("Bo", "Hi"), ("Customer", "Hi")],
            &[],
            Some(&[("IVR", Bot), ("Bo", Agent), ("Customer", Customer)]),
        );
        check(&[("Ann", "Hi"), ("Bo", "Hi")], &["bo"], Some(&[("Ann", Customer), ("Bo", Agent)]));
        check(&[("Ann", "Hi"), ("Bo", "Hi")], &[], None);
        check(&[("Ann", "Hi"), ("Bo", "Hi")], &["Carla"], None);
        check(
            &[("SPEAKER_00", "Buongiorno, come posso aiutarla?"), ("SPEAKER_01", "Non va")],
            &[],
            Some(&[("SPEAKER_00", Agent), ("SPEAKER_01", Customer)]),
        );
        check(&[("Ann", "How can I help?"), ("Bo", "How can I help?")], &[], None);
        check(&[("Ann", "My parcel is lost")], &[], Some(&[("Ann", Customer)]));
        check(&[], &[], Some(&[]));
    }
}
