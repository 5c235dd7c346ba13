//! Customers' journeys during one run of `analyze`, in memory. A line that names neither customer, identity nor
//! conversation can never be referred to again, so nothing is kept of it and memory grows with customers only.

use std::collections::HashMap;

use crate::config::Merging;
use crate::interaction::Interaction;
use crate::journey::Journey;
use crate::store::Owner;
use crate::store::identity::{self, Binding, Known};

/// What is known so far.
#[derive(Debug, Default)]
pub struct Customers {
    journeys: HashMap<String, Journey>,
    bound: HashMap<String, Binding>,
    /// Former names, and whose they are now.
    merged: HashMap<String, String>,
    merging: Merging,
}

impl Customers {
    /// With the configuration's word on who is one person.
    pub fn new(merging: Merging) -> Self {
        Self { merging, ..Self::default() }
    }

    /// Whose message it is, found as the store finds it, and who turns out to be the same.
    pub fn resolve(&mut self, interaction: &Interaction) -> Owner {
        let conversation = identity::conversation_key(&interaction.conversation_id);
        let id = interaction.customer_id.as_deref();
        let as_now = |binding: &Binding| match self.merged.get(&binding.customer) {
            Some(customer) => Binding { customer: customer.clone(), ..binding.clone() },
            None => binding.clone(),
        };
        let bound = |key: &str| self.bound.get(key).map(as_now);
        let own = match self.merged.get(&interaction.conversation_id) {
            Some(customer) => Some(Binding { customer: customer.clone(), stand_in: false, vouched: true }),
            None => self
                .journeys
                .contains_key(&interaction.conversation_id)
                .then(|| interaction.conversation_id.clone())
                .map(|customer| Binding { customer, stand_in: true, vouched: true }),
        };
        let known = Known {
            named: id.and_then(|id| self.merged.get(id).cloned()),
            conversation: bound(&conversation),
            own,
            identities: interaction.identities.iter().map(|key| (key.clone(), bound(key))).collect(),
        };
        let plan = identity::plan(id, &interaction.conversation_id, &known, self.merging);
        let customer = plan.owner.customer.clone();
        let binding = Binding { customer, stand_in: plan.stand_in, vouched: id.is_some() };
        let stands_for_itself = binding.customer == interaction.conversation_id;
        for key in plan.bind.into_iter().chain((!stands_for_itself).then_some(conversation)) {
            self.bound.entry(key).or_insert_with(|| binding.clone());
        }
        plan.owner
    }

    /// Takes the histories of those absorbed out, to be put together with the customer's; from now on their names lead
    /// to it.
    pub fn absorb(&mut self, owner: &Owner) -> Vec<Journey> {
        let stand_in = self.bound.values().any(|b| b.customer == owner.customer && b.stand_in);
        for binding in self.bound.values_mut().filter(|binding| owner.absorbs.contains(&binding.customer)) {
            *binding = Binding { customer: owner.customer.clone(), stand_in, ..*binding };
        }
        for customer in self.merged.values_mut().filter(|customer| owner.absorbs.contains(customer)) {
            customer.clone_from(&owner.customer);
        }
        for former in &owner.absorbs {
            self.merged.insert(former.clone(), owner.customer.clone());
        }
        owner.absorbs.iter().filter_map(|former| self.journeys.remove(former)).collect()
    }

    /// A message that names its customer carried these identities.
    pub fn vouch(&mut self, owner: &Owner, interaction: &Interaction) {
        for identity in interaction.identities.iter().filter(|_| interaction.customer_id.is_some()) {
            if let Some(binding) = self.bound.get_mut(identity)
                && binding.customer == owner.customer
            {
                binding.vouched = true;
            }
        }
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
            let message = message(customer, conversation, identities);
            assert_eq!(customers.resolve(&message).customer, expected);
        };
        check(Some("c-1"), "k1", &["mail"], "c-1");
        check(None, "k2", &["mail", "phone"], "c-1");
        check(None, "k3", &["phone"], "c-1");
        check(None, "k1", &[], "c-1");
        check(None, "k9", &[], "k9");
        check(None, "k10", &["other"], "k10");
        check(None, "k11", &["other"], "k10");
    }

    #[test]
    fn two_who_turn_out_to_be_one() {
        let mut customers = Customers::default();
        let journey = |total_contacts| Journey { total_contacts, ..Journey::default() };
        for (id, identity, contacts) in [(Some("c-1"), "mail", 1), (Some("c-2"), "phone", 2)] {
            let owner = customers.resolve(&message(id, identity, &[identity]));
            customers.keep(owner.customer, journey(contacts));
        }
        let owner = customers.resolve(&message(None, "k3", &["mail", "phone"]));
        assert_eq!((owner.customer.as_str(), owner.absorbs.clone()), ("c-1", vec!["c-2".to_owned()]));
        assert_eq!(customers.absorb(&owner), [journey(2)]);
        for again in [message(Some("c-2"), "k4", &[]), message(None, "phone", &[])] {
            let owner = customers.resolve(&again);
            assert_eq!((owner.customer.as_str(), owner.absorbs.len()), ("c-1", 0));
        }
    }
}
