//! Customers' journeys during one run of `analyze`, in memory. A line that names neither customer, identity nor
//! conversation can never be referred to again, so nothing is kept of it and memory grows with customers only.

use std::collections::HashMap;

use crate::interaction::Interaction;
use crate::journey::Journey;

/// What is known so far.
#[derive(Debug, Default)]
pub struct Customers {
    journeys: HashMap<String, Journey>,
    bound: HashMap<String, String>,
}

impl Customers {
    /// Whose message it is, found as the store does: the customer named, else whom the conversation or an identity is
    /// known to belong to, else the conversation itself.
    pub fn resolve(&mut self, interaction: &Interaction) -> String {
        let conversation = format!("conversation:{}", interaction.conversation_id);
        let keys = || std::iter::once(&conversation).chain(&interaction.identities);
        let customer = interaction
            .customer_id
            .clone()
            .or_else(|| keys().find_map(|key| self.bound.get(key).cloned()))
            .unwrap_or_else(|| interaction.conversation_id.clone());
        if interaction.customer_id.is_some() || !interaction.identities.is_empty() {
            for key in keys() {
                self.bound.entry(key.clone()).or_insert_with(|| customer.clone());
            }
        }
        customer
    }

    /// The journey so far.
    pub fn journey(&self, customer: &str) -> Journey {
        self.journeys.get(customer).cloned().unwrap_or_default()
    }

    /// Keeps the journey after a message.
    pub fn keep(&mut self, customer: String, journey: Journey) {
        self.journeys.insert(customer, journey);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Channel, sample};

    fn message(customer: Option<&str>, conversation: &str, identities: &[&str]) -> Interaction {
        let mut interaction = sample(Channel::Chat, "hello").unwrap();
        interaction.customer_id = customer.map(str::to_owned);
        interaction.conversation_id = conversation.to_owned();
        interaction.identities = identities.iter().map(|identity| (*identity).to_owned()).collect();
        interaction
    }

    #[test]
    fn one_person_through_any_of_their_identities() {
        let mut customers = Customers::default();
        let mut check = |customer, conversation, identities: &[&str], expected: &str| {
            assert_eq!(customers.resolve(&message(customer, conversation, identities)), expected);
        };
        check(Some("c-1"), "k1", &["mail"], "c-1");
        check(None, "k2", &["mail", "phone"], "c-1");
        check(None, "k3", &["phone"], "c-1");
        check(None, "k1", &[], "c-1");
        check(None, "k9", &[], "k9");
        check(None, "k10", &["other"], "k10");
        check(None, "k11", &["other"], "k10");
    }
}
