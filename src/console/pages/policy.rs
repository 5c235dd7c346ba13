//! The policy in force: its rules and text, its history, its tests, and the form that tries another one out.

use axum::response::Response;
use maud::{Markup, html};

use super::{csrf, parts};
use crate::console::guard::Viewer;
use crate::console::policy::{Asked, DAYS, HISTORY, InForce, MAY_SIMULATE};
use crate::console::words::Words;
use crate::routing::PolicyError;

/// A policy that was refused.
pub(in crate::console) struct Wrong<'a> {
    /// As it was sent.
    pub asked: &'a Asked,
    /// Why.
    pub error: &'a PolicyError,
}

/// The page.
pub(in crate::console) fn page(
    words: &Words,
    viewer: &Viewer,
    told: &InForce,
    wrong: Option<&Wrong<'_>>,
) -> Response {
    let own = words.language.policy();
    let body = html! {
        main id="content" class="single wide" {
            h1 { (own.title) }
            (version(words, told))
            p class="quiet" { (own.how) }
            @if viewer.role >= MAY_SIMULATE { (form(words, viewer, told, wrong)) }
            h2 { (own.tests) }
            (tests(words, told))
            h2 { (own.rules) }
            (rules(words, told))
            details { summary { (own.text) } pre class="raw" tabindex="0" { (told.policy.text()) } }
            h2 { (own.history) }
            (history(words, told))
        }
    };
    super::frame(words, Some(viewer), own.title, "policy", &body)
}

fn version(words: &Words, told: &InForce) -> Markup {
    let own = words.language.policy();
    let id = told.policy.id();
    let used = told.history.iter().find(|used| used.policy == id);
    let looked_at: u64 = told.history.iter().map(|used| used.count).sum();
    html! {
        dl class="facts" {
            div { dt { (own.name) } dd { code { (id) } } }
            div { dt { (own.since) } dd {
                @match used {
                    // The first one looked at may not be its first.
                    Some(used) if told.history.len() == 1 && looked_at >= u64::from(HISTORY) => { (own.since_before) " " (parts::time(used.first)) },
                    Some(used) => { (own.since_first) " " (parts::time(used.first)) },
                    None => (own.not_used),
                }
            } }
            div { dt { (own.time_zone) } dd { (told.policy.time_zone()) } }
        }
        @if told.history.first().is_some_and(|latest| latest.policy != id) { p class="alert" role="alert" { (own.other) } }
        @if !told.policy.warnings().is_empty() {
            h2 { (own.warnings) }
            ul class="notes" { @for warning in told.policy.warnings() { li { (warning.describe("policy.toml")) } } }
        }
    }
}

fn form(words: &Words, viewer: &Viewer, told: &InForce, wrong: Option<&Wrong<'_>>) -> Markup {
    let own = words.language.policy();
    let (text, days) = wrong.map_or((told.policy.text(), 7), |wrong| (&wrong.asked.text, wrong.asked.days));
    html! {
        details class="try" open[wrong.is_some()] {
            summary { h2 { (own.simulate) } }
            p class="quiet" { (own.simulate_how) }
            @if let Some(wrong) = wrong {
                div class="alert" role="alert" {
                    p { (own.wrong) }
                    ul class="notes" { @for line in wrong.error.lines() { li { (line) } } }
                }
            }
            form method="post" action="/policy/simulations" class="stack" {
                (csrf(viewer))
                label class="script-only" { (own.simulate_file) " " input type="file" accept=".toml,text/plain" data-into="policy-text"; }
                label for="policy-text" { (own.simulate_text) }
                textarea id="policy-text" class="code" name="text" rows="14" spellcheck="false" required { (text) }
                label { (own.simulate_days) " " input type="number" name="days" min="1" max=(DAYS) value=(days) required; }
                p { button { (own.simulate_go) } }
            }
        }
    }
}

fn tests(words: &Words, told: &InForce) -> Markup {
    let own = words.language.policy();
    let results = match &told.tests {
        Ok(results) => results,
        Err(error) => {
            return html! { div class="alert" role="alert" { p { (own.tests_bad) } ul class="notes" { @for line in error.lines() { li { (line) } } } } };
        }
    };
    let failed = results.iter().filter(|result| !result.passed()).count();
    html! {
        @if results.is_empty() { p class="quiet" { (own.tests_none) } } @else {
            p {
                (results.len() - failed) " " (own.passed) " · "
                @if failed > 0 { span class="badge p-urgent" { (failed) " " (own.failed) } } @else { "0 " (own.failed) }
            }
            ul class="notes" {
                @for result in results.iter().filter(|result| !result.passed()) {
                    li { strong { (result.name) } " " code { (result.file) ":" (result.line) }
                        @for failure in &result.failures { p { (failure) } } }
                }
            }
        }
    }
}

fn rules(words: &Words, told: &InForce) -> Markup {
    let own = words.language.policy();
    if told.policy.listed().next().is_none() {
        return html! { p class="quiet" { (own.no_rules) } };
    }
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.rules) { table {
            thead { tr { th { (own.line) } th { (own.rule) } th { (own.when) } th { (own.effects) } th { (own.reason) } } }
            tbody { @for rule in told.policy.listed() {
                tr {
                    td { (rule.line) } td { (rule.name) } td { code { (rule.when) } }
                    td { (rule.effects.describe()) } td { (rule.reason.unwrap_or("–")) }
                }
            } }
        } }
    }
}

fn history(words: &Words, told: &InForce) -> Markup {
    let own = words.language.policy();
    if told.history.is_empty() {
        return html! { p class="quiet" { (own.history_none) } };
    }
    html! {
        p class="quiet small" { (own.history_how) }
        div class="scroll" tabindex="0" role="region" aria-label=(own.history) { table {
            thead { tr { th { (own.name) } th { (own.first) } th { (own.last) } th { (own.decisions) } } }
            tbody { @for used in &told.history {
                tr { td { code { (used.policy) } } td { (parts::time(used.first)) } td { (parts::time(used.last)) } td { (used.count) } }
            } }
        } }
    }
}
