//! Customers who turn out to be one person.

use std::sync::Arc;

use smista::store::{Committed, Effect, Kind, Owner, Store, Subject};

use super::{Message, at, commit, mark_key, unique};

/// The effect of a message that tells that others are its customer too.
pub async fn join(store: &dyn Store, message: &Message, owner: &Owner) -> Effect {
    let mut before = store.customer(&owner.customer).await.unwrap();
    let mut absorbed = Vec::new();
    for former in &owner.absorbs {
        absorbed.push(store.customer(former).await.unwrap());
        before.journey.total_contacts += absorbed.last().unwrap().journey.total_contacts;
    }
    Effect { absorbed, ..message.effect(before) }
}

pub async fn makes_two_customers_one(store: Arc<dyn Store>) {
    let (one, other, mail, phone) = (unique("a"), unique("b"), unique("mail"), unique("tel"));
    for (customer, identity) in [(&one, &mail), (&other, &phone)] {
        let message = Message::of(customer);
        store
            .resolve_customer(Some(customer), &message.conversation, std::slice::from_ref(identity))
            .await
            .unwrap();
        commit(&*store, &message, customer).await;
    }
    let both = [mail.clone(), phone.clone()];
    let owner = store.resolve_customer(None, &unique("k"), &both).await.unwrap();
    assert_eq!((&owner.customer, &owner.absorbs), (&one, &vec![other.clone()]));
    let message = Message { customer_id: None, ..Message::of("") };
    let stale = join(&*store, &message, &owner).await;

    // The other one is heard from before the merge is written.
    commit(&*store, &Message::of(&other), &other).await;
    assert_eq!(store.commit(stale).await.unwrap(), Committed::Stale, "the other has changed");
    assert_eq!(store.customer(&one).await.unwrap().journey.total_contacts, 1, "and nothing was written");
    let in_flight = store.customer(&other).await.unwrap();
    let joined = join(&*store, &message, &owner).await;
    assert_eq!(store.commit(joined.clone()).await.unwrap(), Committed::New);
    assert!(matches!(store.commit(joined).await.unwrap(), Committed::Duplicate(..)), "once");
    assert_eq!(store.customer(&one).await.unwrap().journey.total_contacts, 4);

    // Whoever still works on the former customer is told to look again, and then finds who it is.
    let late = Message::of(&other);
    assert_eq!(store.commit(late.effect(in_flight)).await.unwrap(), Committed::Stale);
    for (id, identities) in
        [(Some(other.as_str()), vec![]), (None, vec![phone.clone()]), (None, both.to_vec())]
    {
        let owner = store.resolve_customer(id, &late.conversation, &identities).await.unwrap();
        assert_eq!((&owner.customer, owner.absorbs.len()), (&one, 0));
    }
    commit(&*store, &late, &one).await;

    // Merged once more, both former names lead to the last.
    let third = unique("0");
    let message = Message::of(&third);
    let app = unique("app");
    store.resolve_customer(Some(&third), &message.conversation, std::slice::from_ref(&app)).await.unwrap();
    commit(&*store, &message, &third).await;
    // Whoever is named is believed, whatever identities they share with somebody else.
    let named =
        store.resolve_customer(Some(&third), &unique("k"), &[app.clone(), mail.clone()]).await.unwrap();
    assert_eq!((&named.customer, named.absorbs.len()), (&third, 0));
    let owner = store.resolve_customer(None, &unique("k"), &[app, mail]).await.unwrap();
    assert_eq!((&owner.customer, &owner.absorbs), (&third, &vec![one.clone()]));
    let message = Message { customer_id: None, ..Message::of("") };
    assert_eq!(store.commit(join(&*store, &message, &owner).await).await.unwrap(), Committed::New);
    for former in [&one, &other] {
        let owner = store.resolve_customer(Some(former), &unique("k"), &[]).await.unwrap();
        assert_eq!(owner.customer, third);
    }

    // Erased by a former name: all of it goes, and all names are known.
    let subject = Subject { customer: Some(other.clone()), identities: vec![phone.clone()] };
    let erased = store.erase(&subject, &mark_key(), Some(at(100))).await.unwrap();
    assert_eq!((erased.tables["customers"], erased.tables["inbox"]), (3, 7), "{erased:?}");
    assert!(erased.shared_with.is_empty());
    for name in [&one, &other, &third] {
        assert!(erased.marks.contains(&mark_key().mark(Kind::Customer, name)), "{name}");
        assert_eq!(store.customer(name).await.unwrap().epoch, 0);
    }
}

/// Two messages that each join the same two customers from either side, at once.
pub async fn merges_once_from_both_sides(store: Arc<dyn Store>) {
    for _ in 0..10 {
        let (one, other, mail, phone) = (unique("a"), unique("b"), unique("mail"), unique("tel"));
        let mut conversations = Vec::new();
        for (customer, identity) in [(&one, &mail), (&other, &phone)] {
            let message = Message::of(customer);
            conversations.push(message.conversation.clone());
            let identity = std::slice::from_ref(identity);
            store.resolve_customer(Some(customer), &message.conversation, identity).await.unwrap();
            commit(&*store, &message, customer).await;
        }
        let both = [mail, phone];
        let conversations: [String; 2] = conversations.try_into().unwrap();
        let tasks = conversations.map(|conversation| {
            let (store, both) = (Arc::clone(&store), both.clone());
            tokio::spawn(async move {
                let message = Message { customer_id: None, conversation, ..Message::of("") };
                loop {
                    let owner = store.resolve_customer(None, &message.conversation, &both).await.unwrap();
                    let effect = join(&*store, &message, &owner).await;
                    // A deadlock is an error that passes.
                    match store.commit(effect).await {
                        Ok(Committed::New) => return owner.absorbs.len(),
                        Ok(Committed::Stale) => {}
                        Ok(other) => panic!("{other:?}"),
                        Err(error) => assert!(error.is_transient(), "{error}"),
                    }
                }
            })
        });
        let absorbed: Vec<usize> = futures::future::try_join_all(tasks).await.unwrap();
        assert_eq!(absorbed.iter().sum::<usize>(), 1, "merged once");
        let owner = store.resolve_customer(Some(&one), "k", &both).await.unwrap();
        let state = store.customer(&owner.customer).await.unwrap();
        assert_eq!(state.journey.total_contacts, 4, "nothing is lost and nothing counted twice");
    }
}
