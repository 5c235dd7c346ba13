//! A row per customer: how they stand.

use std::collections::BTreeSet;

use super::table::Kind::{Flag, List, Real, Text, Time, Whole};
use super::table::{Column, every, list, some};
use crate::journey::model::OpenGoal;
use crate::store::Known;

/// The columns, in order.
pub fn columns() -> Vec<Column<Known>> {
    vec![
        every("customer_id", Text, |known| (&known.state.customer).into()),
        every("updated_at", Time, |known| known.updated_at.into()),
        every("contacts", Whole, |known| known.state.journey.total_contacts.into()),
        every("contacts_kept", Whole, |known| known.state.journey.contacts.len().into()),
        every("channels", List, |known| {
            let channels: BTreeSet<&str> =
                known.state.journey.contacts.iter().map(|contact| contact.channel.as_str()).collect();
            list(channels)
        }),
        some("first_kept_at", Time, |known| {
            known.state.journey.contacts.first().map(|contact| contact.at).into()
        }),
        some("last_contact_at", Time, |known| known.state.journey.as_of.into()),
        some("stage", Text, |known| known.state.journey.stage.map(|stage| stage.as_str()).into()),
        some("stage_since", Time, |known| known.state.journey.stage_history.last().map(|(at, _)| *at).into()),
        every("stages", List, |known| {
            list(known.state.journey.stage_history.iter().map(|(_, stage)| stage.as_str()))
        }),
        every("experience", Real, |known| known.state.journey.experience.into()),
        every("effort", Real, |known| known.state.journey.effort.into()),
        every("open_goals", List, |known| {
            list(known.state.journey.open_goals.iter().map(|goal| &goal.intent))
        }),
        some("open_since", Time, |known| {
            let since = |goal: &OpenGoal| goal.since;
            known.state.journey.open_goals.iter().map(since).min().into()
        }),
        every("reopened", Flag, |known| {
            known.state.journey.open_goals.iter().any(|goal| goal.reopened > 0).into()
        }),
        every("closed_goals", List, |known| {
            list(known.state.journey.closed_goals.iter().map(|closed| &closed.goal.intent))
        }),
        some("survey_due_at", Time, |known| known.state.journey.survey_due_at.into()),
    ]
}
