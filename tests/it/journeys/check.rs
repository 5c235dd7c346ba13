//! Compares a decision with what the story expects, and says in words what differs.

use serde_json::Value;
use smista::routing::Decision;

use super::story::Expect;

pub struct Differences<'a> {
    pub at: &'a str,
    pub found: Vec<String>,
}

impl Differences<'_> {
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, wanted: Option<&T>, is: &T) {
        if let Some(wanted) = wanted
            && wanted != is
        {
            self.found.push(format!("{}: {what} is {is:?}, expected {wanted:?}", self.at));
        }
    }

    pub fn within(&mut self, what: &str, wanted: Option<(u8, u8)>, is: u8) {
        if let Some((least, most)) = wanted
            && !(least..=most).contains(&is)
        {
            self.found.push(format!("{}: {what} is {is}, expected {least} to {most}", self.at));
        }
    }

    fn has(&mut self, what: &str, wanted: &[String], is: &[String]) {
        for missing in wanted.iter().filter(|item| !is.contains(item)) {
            self.found.push(format!("{}: {what} {is:?} lack {missing:?}", self.at));
        }
    }

    fn lacks(&mut self, what: &str, unwanted: &[String], is: &[String]) {
        for present in unwanted.iter().filter(|item| is.contains(item)) {
            self.found.push(format!("{}: {what} {is:?} should not have {present:?}", self.at));
        }
    }

    fn words(&mut self, what: &str, wanted: &[String], present: bool, text: &str) {
        let folded = text.to_lowercase();
        for words in wanted.iter().filter(|words| folded.contains(&words.to_lowercase()) != present) {
            let should = if present { "should say" } else { "should not say" };
            self.found.push(format!("{}: {what} {should} {words:?}: {text}", self.at));
        }
    }
}

fn name<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value).unwrap() {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub fn compare(differences: &mut Differences<'_>, expect: &Expect, decision: &Decision, events: &[String]) {
    let journey = &decision.journey;
    let value = serde_json::to_value(journey).unwrap();
    let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    differences.same("customer", expect.customer.as_ref(), &decision.customer_id);
    let stage = decision.analysis.stage.as_ref();
    differences.same("stage", expect.stage.as_ref(), &stage.map(|s| name(&s.name)).unwrap_or_default());
    let transition = stage.map(|stage| name(&stage.transition)).unwrap_or_default();
    differences.same("transition", expect.transition.as_ref(), &transition);
    let goals: Vec<String> = journey.open_goals.iter().map(|goal| goal.intent.clone()).collect();
    differences.same("open goals", expect.goals_open.as_ref(), &goals);
    let repeat = &journey.repeat_contact;
    differences.same("repeat of", expect.repeat_of.as_ref(), &repeat.of);
    let count = value["repeat_contact"]["count"].as_u64().unwrap_or_default();
    differences.same("repeat count", expect.repeat_count.as_ref(), &usize::try_from(count).unwrap());
    differences.same("repeat days", expect.repeat_days.as_ref(), &repeat.days);
    let cited: Vec<String> = value["repeat_contact"]["cites"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cited| cited["message_id"].as_str().unwrap().to_owned())
        .collect();
    differences.same("cited messages", expect.cites.as_ref(), &cited);
    differences.same("earlier contacts", expect.contacts.as_ref(), &journey.contacts.len());
    differences.same("priority", expect.priority.as_ref(), &name(&decision.priority.level));
    differences.same("action", expect.action.as_ref(), &name(&decision.route.action));
    differences.same("queue", expect.queue.as_ref(), &decision.route.queue.clone().unwrap_or_default());
    differences.has("flags", &expect.flags, &decision.flags);
    differences.lacks("flags", &expect.no_flags, &decision.flags);
    differences.has("tags", &expect.tags, &decision.tags);
    differences.has("events", &expect.events, events);
    differences.lacks("events", &expect.no_events, events);
    differences.words("the brief", &expect.brief, true, &journey.brief);
    differences.words("the brief", &expect.brief_without, false, &journey.brief);
    differences.same("churn risk", expect.churn.as_ref(), &name(&journey.churn_risk.level));
    differences.same("churn reasons", expect.churn_reasons.as_ref(), &journey.churn_risk.reasons);
    differences.within("experience", expect.experience, journey.experience.score);
    let broken = journey.promises.iter().filter(|promise| !promise.kept).count();
    differences.same("broken promises", expect.promises_broken.as_ref(), &broken);
    let due: Vec<String> = list("promises")
        .iter()
        .map(|promise| promise["due"].as_str().unwrap_or_default().chars().take(10).collect())
        .collect();
    differences.same("promises due", expect.promises_due.as_ref(), &due);
    let follow_up = journey.follow_up.clone().unwrap_or_default();
    match expect.follow_up.as_deref() {
        Some("") => differences.same("follow-up", Some(&String::new()), &follow_up),
        wanted => {
            let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
            differences.words("the follow-up", &wanted, true, &follow_up);
        }
    }
    if let Some(wanted) = &expect.contradictions {
        let found = list("contradictions");
        let said = |side: &Value| side["text"].as_str().unwrap_or_default().to_lowercase();
        let holds = found.len() == wanted.len()
            && wanted.iter().zip(&found).all(|((first, second), pair)| {
                said(&pair["first"]).contains(&first.to_lowercase())
                    && said(&pair["second"]).contains(&second.to_lowercase())
            });
        if !holds {
            let found = serde_json::to_string(&found).unwrap();
            differences
                .found
                .push(format!("{}: contradictions are {found}, expected {wanted:?}", differences.at));
        }
    }
    let cause = value["survey"]["root_cause"].as_str().unwrap_or_default().to_owned();
    differences.same("root cause", expect.root_cause.as_ref(), &cause);
    let tone: Vec<String> =
        list("tone").iter().map(|issue| issue["issue"].as_str().unwrap_or_default().to_owned()).collect();
    differences.same("tone", expect.tone.as_ref(), &tone);
    let words = journey.brief.split_whitespace().count();
    if words > 120 {
        differences.found.push(format!("{}: the brief has {words} words", differences.at));
    }
}
