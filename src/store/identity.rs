//! Who a message's customer is. Pure: what is known is read before, what follows is written after.
//!
//! A customer id given by the producer is believed. Without one the conversation is looked up, then the identities;
//! when none is known the conversation stands in for the customer until somebody better turns up, who then takes over
//! its identities and its history.

/// Whom an identity or a conversation is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub customer: String,
    /// The customer is a conversation whose customer is not known.
    pub stand_in: bool,
}

/// What is known of a message's identities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// Of the conversation.
    pub conversation: Option<Binding>,
    /// The conversation stands in for a customer itself.
    pub conversation_stands_in: bool,
    /// Of each identity.
    pub identities: Vec<(String, Option<Binding>)>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The customer.
    pub customer: String,
    /// The customer is a stand-in.
    pub stand_in: bool,
    /// Identities to bind to the customer.
    pub bind: Vec<String>,
    /// Stand-ins that turn out to be this customer.
    pub absorb: Vec<String>,
}

impl Plan {
    /// Nothing has to be written.
    pub fn is_done(&self) -> bool {
        self.bind.is_empty() && self.absorb.is_empty()
    }
}

/// Key under which a conversation is bound.
pub(super) fn conversation_key(conversation_id: &str) -> String {
    format!("conversation:{conversation_id}")
}

/// Decides who the customer is.
pub(super) fn plan(customer_id: Option<&str>, conversation_id: &str, known: &Known) -> Plan {
    let bindings = || {
        let identities = known.identities.iter().filter_map(|(_, binding)| binding.as_ref());
        known.conversation.iter().chain(identities)
    };
    let (customer, stand_in) = match customer_id {
        Some(id) => (id.to_owned(), false),
        None => bindings().find(|binding| !binding.stand_in).or_else(|| bindings().next()).map_or_else(
            || (conversation_id.to_owned(), true),
            |found| (found.customer.clone(), found.stand_in),
        ),
    };
    let unknown = known.identities.iter().filter(|(_, binding)| binding.is_none());
    let bind = unknown.map(|(identity, _)| identity.clone()).collect();
    let mut absorb: Vec<String> = Vec::new();
    if !stand_in {
        let own = known.conversation_stands_in.then(|| conversation_id.to_owned());
        let bound = bindings().filter(|binding| binding.stand_in).map(|binding| binding.customer.clone());
        for name in own.into_iter().chain(bound) {
            if name != customer && !absorb.contains(&name) {
                absorb.push(name);
            }
        }
    }
    Plan { customer, stand_in, bind, absorb }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(
        conversation: Option<(&str, bool)>,
        own: bool,
        identities: &[(&str, Option<(&str, bool)>)],
    ) -> Known {
        let binding =
            |(customer, stand_in): (&str, bool)| Binding { customer: customer.to_owned(), stand_in };
        Known {
            conversation: conversation.map(binding),
            conversation_stands_in: own,
            identities: identities.iter().map(|(id, bound)| ((*id).to_owned(), bound.map(binding))).collect(),
        }
    }

    #[test]
    fn who_it_is() {
        let check =
            |what: &str, id: Option<&str>, known: Known, customer: &str, bind: &[&str], absorb: &[&str]| {
                let plan = plan(id, "k1", &known);
                assert_eq!(plan.customer, customer, "{what}");
                assert_eq!(
                    (plan.bind, plan.absorb),
                    (
                        bind.iter().map(ToString::to_string).collect(),
                        absorb.iter().map(ToString::to_string).collect()
                    ),
                    "{what}"
                );
            };
        check("nobody known", None, known(None, false, &[]), "k1", &[], &[]);
        check("new mail address", None, known(None, false, &[("m", None)]), "k1", &["m"], &[]);
        check(
            "known mail address",
            None,
            known(None, false, &[("m", Some(("c1", false))), ("t", None)]),
            "c1",
            &["t"],
            &[],
        );
        check(
            "a customer before a stand-in",
            None,
            known(None, false, &[("m", Some(("k0", true))), ("t", Some(("c1", false)))]),
            "c1",
            &[],
            &["k0"],
        );
        check(
            "the conversation before identities",
            None,
            known(Some(("c1", false)), false, &[("m", Some(("c2", false)))]),
            "c1",
            &[],
            &[],
        );
        check("the producer knows", Some("c1"), known(None, false, &[("m", None)]), "c1", &["m"], &[]);
        check(
            "shared by two customers",
            Some("c1"),
            known(None, false, &[("m", Some(("c2", false)))]),
            "c1",
            &[],
            &[],
        );
        check(
            "was a stand-in",
            Some("c1"),
            known(None, false, &[("m", Some(("k0", true)))]),
            "c1",
            &[],
            &["k0"],
        );
        check("the conversation was", Some("c1"), known(None, true, &[]), "c1", &[], &["k1"]);
        check("both", Some("c1"), known(None, true, &[("m", Some(("k1", true)))]), "c1", &[], &["k1"]);
        check(
            "settled",
            Some("c1"),
            known(Some(("c1", false)), false, &[("m", Some(("c1", false)))]),
            "c1",
            &[],
            &[],
        );
    }
}
