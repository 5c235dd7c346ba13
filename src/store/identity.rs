//! Who a message's customer is. Pure: what is known is read before, what follows is written after.
//!
//! A customer id given by the producer is believed. Without one the conversation is looked up, then the identities;
//! when none is known the conversation stands in for the customer until somebody better turns up. Whoever turns out to
//! be the same person as the customer is absorbed: a stand-in that the message names in any way, and, as far as
//! [`Merging`] allows, another known customer when a message without a name carries identities of both. That message may have come
//! before either had a name: then one of its identities is the other's by conclusion only, until a message names them.

use crate::config::Merging;

/// Whom an identity or a conversation is bound to, as known now (who was merged into another is that other).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub customer: String,
    /// The customer is a conversation whose customer is not known.
    pub stand_in: bool,
    /// A message that named the customer carried it; else that it is theirs was concluded from what it came with.
    pub vouched: bool,
}

/// What is known of a message's identities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// Who the customer named by the producer was merged into.
    pub named: Option<String>,
    /// Of the conversation.
    pub conversation: Option<Binding>,
    /// The conversation as a customer: it stands in for one, or did and was merged into another.
    pub own: Option<Binding>,
    /// Of each identity.
    pub identities: Vec<(String, Option<Binding>)>,
}

impl Known {
    /// What this very message has bound to its customer says nothing of who that is.
    pub fn not_yet(&mut self, plan: &Plan) {
        for (identity, binding) in &mut self.identities {
            if plan.bind.contains(identity)
                && binding.as_ref().is_some_and(|binding| binding.customer == plan.owner.customer)
            {
                *binding = None;
            }
        }
    }
}

/// Whose a message is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The customer.
    pub customer: String,
    /// Other customers who turn out to be this one: their histories belong to it with this message's commit.
    pub absorbs: Vec<String>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The customer, and who turns out to be the same.
    pub owner: Owner,
    /// The customer is a stand-in.
    pub stand_in: bool,
    /// Identities to bind to the customer.
    pub bind: Vec<String>,
}

/// Key under which a conversation is bound.
pub(crate) fn conversation_key(conversation_id: &str) -> String {
    format!("conversation:{conversation_id}")
}

/// Decides who the customer is.
pub(crate) fn plan(
    customer_id: Option<&str>,
    conversation_id: &str,
    known: &Known,
    merging: Merging,
) -> Plan {
    let identities = || known.identities.iter().filter_map(|(_, binding)| binding.as_ref());
    let bindings = || known.conversation.iter().chain(&known.own).chain(identities());
    // Of several customers the first by name, whatever order the identities are in.
    let mut customers: Vec<&str> =
        identities().filter(|binding| !binding.stand_in).map(|binding| binding.customer.as_str()).collect();
    customers.sort_unstable();
    customers.dedup();
    let (customer, stand_in) = match customer_id {
        Some(id) => (known.named.clone().unwrap_or_else(|| id.to_owned()), false),
        None => {
            let of_conversation =
                known.conversation.iter().chain(&known.own).find(|binding| !binding.stand_in);
            let customer = of_conversation.map(|binding| binding.customer.as_str());
            match customer.or_else(|| customers.first().copied()) {
                Some(customer) => (customer.to_owned(), false),
                None => (
                    bindings().next().map_or(conversation_id, |binding| binding.customer.as_str()).to_owned(),
                    true,
                ),
            }
        }
    };
    let both = customers.contains(&customer.as_str())
        && match merging {
            // Who is named is believed: a telephone that two names have is shared, whoever came first with it.
            Merging::Identities | Merging::Unnamed => customer_id.is_none(),
            Merging::Never => false,
        };
    // What was only concluded to be another's, and now comes with a name: the two share a message, if an earlier one.
    let claimed = customer_id.is_some() && merging == Merging::Identities;
    let others = bindings()
        .filter(|binding| binding.stand_in || (claimed && !binding.vouched))
        .map(|binding| binding.customer.as_str());
    let mut absorbs: Vec<String> = Vec::new();
    for name in others.chain(customers.iter().copied().filter(|_| both)) {
        if name != customer && !absorbs.iter().any(|absorbed| absorbed == name) {
            absorbs.push(name.to_owned());
        }
    }
    let unknown = known.identities.iter().filter(|(_, binding)| binding.is_none());
    let bind = unknown.map(|(identity, _)| identity.clone()).collect();
    Plan { owner: Owner { customer, absorbs }, stand_in, bind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(
        conversation: Option<(&str, bool)>,
        own: Option<(&str, bool)>,
        identities: &[(&str, Option<(&str, bool)>)],
    ) -> Known {
        let binding = |(customer, stand_in): (&str, bool)| Binding {
            customer: customer.to_owned(),
            stand_in,
            vouched: !stand_in,
        };
        Known {
            named: None,
            conversation: conversation.map(binding),
            own: own.map(binding),
            identities: identities.iter().map(|(id, bound)| ((*id).to_owned(), bound.map(binding))).collect(),
        }
    }

    #[test]
    fn who_it_is() {
        let check =
            |what: &str, id: Option<&str>, known: Known, customer: &str, bind: &[&str], absorb: &[&str]| {
                let plan = plan(id, "k1", &known, Merging::Identities);
                assert_eq!(plan.owner.customer, customer, "{what}");
                assert_eq!(
                    (plan.bind, plan.owner.absorbs),
                    (
                        bind.iter().map(ToString::to_string).collect(),
                        absorb.iter().map(ToString::to_string).collect()
                    ),
                    "{what}"
                );
            };
        check("nobody known", None, known(None, None, &[]), "k1", &[], &[]);
        check("new mail address", None, known(None, None, &[("m", None)]), "k1", &["m"], &[]);
        check(
            "known mail address",
            None,
            known(None, None, &[("m", Some(("c1", false))), ("t", None)]),
            "c1",
            &["t"],
            &[],
        );
        check(
            "a customer before a stand-in",
            None,
            known(None, None, &[("m", Some(("k0", true))), ("t", Some(("c1", false)))]),
            "c1",
            &[],
            &["k0"],
        );
        check(
            "the conversation before identities",
            None,
            known(Some(("c1", false)), None, &[("m", Some(("c2", false)))]),
            "c1",
            &[],
            &[],
        );
        check("the producer knows", Some("c1"), known(None, None, &[("m", None)]), "c1", &["m"], &[]);
        check(
            "shared by two customers",
            Some("c1"),
            known(None, None, &[("m", Some(("c2", false)))]),
            "c1",
            &[],
            &[],
        );
        check(
            "was a stand-in",
            Some("c1"),
            known(None, None, &[("m", Some(("k0", true)))]),
            "c1",
            &[],
            &["k0"],
        );
        check("the conversation was", Some("c1"), known(None, Some(("k1", true)), &[]), "c1", &[], &["k1"]);
        check(
            "both",
            Some("c1"),
            known(None, Some(("k1", true)), &[("m", Some(("k1", true)))]),
            "c1",
            &[],
            &["k1"],
        );
        let two = [("m", Some(("c2", false))), ("t", Some(("c1", false)))];
        check("identities of two customers", None, known(None, None, &two), "c1", &[], &["c2"]);
        check("of two, one of them named", Some("c2"), known(None, None, &two), "c2", &[], &[]);
        check("of two others", Some("c3"), known(None, None, &two), "c3", &[], &[]);
        check(
            "of two, in another's conversation",
            None,
            known(Some(("c3", false)), None, &two),
            "c3",
            &[],
            &[],
        );
        check(
            "two stand-ins",
            None,
            known(None, None, &[("m", Some(("k0", true))), ("t", Some(("k9", true)))]),
            "k0",
            &[],
            &["k9"],
        );
        check("the conversation was merged", None, known(None, Some(("c1", false)), &[]), "c1", &[], &[]);
        check(
            "settled",
            Some("c1"),
            known(Some(("c1", false)), None, &[("m", Some(("c1", false)))]),
            "c1",
            &[],
            &[],
        );
    }

    #[test]
    fn what_was_only_concluded_gives_way_to_a_name() {
        let mut known = known(None, None, &[("m", Some(("c2", false)))]);
        let absorbs =
            |known: &Known, id: Option<&str>| plan(id, "k1", known, Merging::Identities).owner.absorbs;
        assert_eq!(absorbs(&known, Some("c1")), Vec::<String>::new(), "a shared telephone");
        known.identities[0].1.as_mut().unwrap().vouched = false;
        assert_eq!(absorbs(&known, Some("c1")), ["c2"]);
        assert_eq!(absorbs(&known, None), Vec::<String>::new());
        assert!(plan(Some("c1"), "k1", &known, Merging::Unnamed).owner.absorbs.is_empty());
    }

    #[test]
    fn a_former_name_leads_to_the_present_one() {
        let merged = Known { named: Some("c1".to_owned()), ..known(None, None, &[("m", None)]) };
        let plan = plan(Some("c2"), "k1", &merged, Merging::Identities);
        assert_eq!((plan.owner.customer.as_str(), plan.owner.absorbs.len()), ("c1", 0));
    }

    #[test]
    fn merging_can_be_kept_back() {
        let two = known(None, None, &[("m", Some(("c2", false))), ("t", Some(("c1", false)))]);
        let stand_in = known(None, None, &[("m", Some(("k0", true))), ("t", Some(("c1", false)))]);
        for (merging, named, unnamed) in
            [(Merging::Identities, 0, 1), (Merging::Unnamed, 0, 1), (Merging::Never, 0, 0)]
        {
            let absorbed =
                |id: Option<&str>, known: &Known| plan(id, "k1", known, merging).owner.absorbs.len();
            assert_eq!((absorbed(Some("c1"), &two), absorbed(None, &two)), (named, unnamed), "{merging:?}");
            assert_eq!(absorbed(None, &stand_in), 1, "a stand-in is nobody else, {merging:?}");
        }
    }
}
