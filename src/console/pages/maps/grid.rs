//! The journey map as a table, each cell coloured by a figure, and a table of all figures.

use axum::response::Response;
use maud::{Markup, html};

use crate::console::guard::Viewer;
use crate::console::maps::{MOST, MapQuery, RANGES, Seen, Wrong};
use crate::console::pages::{self, parts};
use crate::console::query::QueueQuery;
use crate::console::words::Words;
use crate::interaction::Channel;
use crate::journey::map::{Cell, Measure, STEPS, Tone};

/// The page, with the map or with what is wrong with the query.
pub(in crate::console) fn page(
    words: &Words,
    viewer: &Viewer,
    query: &MapQuery,
    seen: Result<(&Seen, Measure), Wrong>,
) -> Response {
    let own = words.language.maps();
    let body = html! {
        main id="content" class="single full" {
            h1 { (own.journey_map) }
            (super::ways(words, "/maps"))
            (form(words, query))
            @match seen {
                Err(wrong) => p class="alert" role="alert" { (told(words, wrong)) },
                Ok((seen, measure)) => (shown(words, seen, measure)),
            }
        }
    };
    pages::frame(words, Some(viewer), own.journey_map, "maps", &body)
}

fn told(words: &Words, wrong: Wrong) -> &'static str {
    let own = words.language.maps();
    match wrong {
        Wrong::Range => own.wrong_range,
        Wrong::Since => own.wrong_since,
        Wrong::Until => own.wrong_until,
        Wrong::Empty => own.wrong_empty,
        Wrong::Channel => own.wrong_channel,
        Wrong::Language => own.wrong_language,
        Wrong::Measure => own.wrong_measure,
    }
}

fn name(words: &Words, measure: Measure) -> &'static str {
    let own = words.language.maps();
    match measure {
        Measure::Contacts => own.contacts,
        Measure::Sentiment => own.sentiment,
        Measure::Effort => own.effort,
        Measure::DropOff => own.drop_off,
        Measure::Repeat => own.repeat,
        Measure::Resolution => own.resolution,
    }
}

fn how(words: &Words, measure: Measure) -> &'static str {
    let own = words.language.maps();
    match measure {
        Measure::Contacts => own.contacts_how,
        Measure::Sentiment => own.sentiment_how,
        Measure::Effort => own.effort_how,
        Measure::DropOff => own.drop_off_how,
        Measure::Repeat => own.repeat_how,
        Measure::Resolution => own.resolution_how,
    }
}

fn form(words: &Words, query: &MapQuery) -> Markup {
    let own = words.language.maps();
    let ranges = [own.range_day, own.range_week, own.range_month, own.range_quarter, own.range_year];
    let range = if query.range.is_empty() { RANGES[2].0 } else { &query.range };
    html! {
        form method="get" action="/maps" class="narrow" role="search" {
            label { (own.measure) select name="by" {
                @for measure in Measure::ALL {
                    option value=(measure.as_str()) selected[query.by == measure.as_str()] { (name(words, measure)) }
                }
            } }
            label { (own.range) select name="range" {
                @for ((value, _), text) in RANGES.iter().zip(ranges) { option value=(value) selected[*value == range] { (text) } }
            } }
            label { (own.since) input type="date" name="since" value=(query.since); }
            label { (own.until) input type="date" name="until" value=(query.until); }
            label { (words.channel) select name="channel" {
                option value="" { (words.any) }
                @for channel in Channel::ALL {
                    option value=(channel.as_str()) selected[query.channel == channel.as_str()] { (words.label(channel.as_str())) }
                }
            } }
            label { (words.language_label) input name="language" value=(query.language) maxlength="3" size="4"; }
            div class="row" { button { (words.apply) } a class="button plain" href="/maps" { (words.clear) } }
        }
    }
}

fn shown(words: &Words, seen: &Seen, measure: Measure) -> Markup {
    let own = words.language.maps();
    let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
    html! {
        p class="quiet small" {
            (day(seen.since)) " – " (day(seen.until)) " UTC · " (own.made_at) " " (parts::time(seen.at))
        }
        @if seen.is_cut { p class="told" role="status" { (own.is_cut) " " (thousands(MOST)) " " (own.is_cut_since) " " (day(seen.since)) " UTC." } }
        @if seen.unmapped > 0 { p class="told" { (seen.unmapped) " " (own.unmapped) } }
        @if seen.map.total.contacts == 0 {
            div class="empty" { p class="big" aria-hidden="true" { "▦" } h2 { (own.nothing) } p { (own.nothing_why) } }
        } @else {
            p { strong { (name(words, measure)) } ": " (how(words, measure)) }
            (table(words, seen, measure))
            (legend(words, seen, measure))
            p class="quiet small" { (own.few) " " (own.cell_leads) }
            details {
                summary { (own.all_figures) }
                (list(words, seen))
            }
        }
    }
}

fn thousands(number: u32) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}

fn stage<'a>(words: &'a Words, stage: Option<&'a str>) -> &'a str {
    match stage {
        None => words.language.maps().all,
        Some("none") => words.language.maps().no_stage,
        Some(name) => words.label(name),
    }
}

fn channel(words: &Words, channel: Option<Channel>) -> &str {
    channel.map_or(words.language.maps().all, |channel| words.label(channel.as_str()))
}

/// What stands inside: only that is coloured by the most; the sums would leave it pale.
fn most(seen: &Seen) -> u64 {
    seen.map.cells.iter().map(|cell| cell.contacts).max().unwrap_or(0)
}

fn table(words: &Words, seen: &Seen, measure: Measure) -> Markup {
    let map = &seen.map;
    let own = words.language.maps();
    let columns = || map.channels.iter().map(|cell| cell.channel).chain([None]);
    let rows = map.stages.iter().map(|cell| cell.stage).chain([None]);
    let all = || map.cells.iter().chain(&map.stages).chain(&map.channels).chain([&map.total]);
    let find = |stage: Option<&str>, channel: Option<Channel>| {
        all().find(|cell| cell.stage == stage && cell.channel == channel)
    };
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.journey_map) {
            table class="heat" {
                caption class="visually-hidden" { (own.journey_map) ": " (name(words, measure)) }
                thead { tr { th scope="col" { (words.stage) } @for at in columns() { th scope="col" { (channel(words, at)) } } } }
                tbody { @for row in rows {
                    tr {
                        th scope="row" { (stage(words, row)) }
                        @for at in columns() { (cell(words, find(row, at), (row, at), measure, most(seen))) }
                    }
                } }
            }
        }
    }
}

fn cell(
    words: &Words,
    cell: Option<&Cell>,
    (at_stage, at_channel): (Option<&str>, Option<Channel>),
    measure: Measure,
    most: u64,
) -> Markup {
    let own = words.language.maps();
    let Some(cell) = cell else {
        return html! { td class="none" { (if measure == Measure::Contacts { "0" } else { "–" }) } };
    };
    let value = measure.of(cell);
    let text = figure(measure, value);
    let inside = at_stage.is_some() && at_channel.is_some();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let shade = value.filter(|_| inside).map(|value| measure.shade(value, most as f64));
    let class = shade.map_or_else(|| "sum".to_owned(), class);
    let query = QueueQuery {
        stage: at_stage.unwrap_or_default().to_owned(),
        channel: at_channel.map_or("", Channel::as_str).to_owned(),
        ..QueueQuery::default()
    };
    // The queue has no filter for conversations that nothing has placed.
    let leads = at_stage != Some("none");
    let label =
        || format!("{text}: {}, {}. {}", stage(words, at_stage), channel(words, at_channel), own.to_queue);
    html! {
        td class=(class) {
            @if leads { a href=(format!("/queue{}", query.address())) aria-label=(label()) { (text) } } @else { span { (text) } }
        }
    }
}

/// The class of a colour and its step.
pub(super) fn class((tone, step): (Tone, u8)) -> String {
    let tone = match tone {
        Tone::Much => "much",
        Tone::Good => "good",
        Tone::Bad => "bad",
    };
    format!("{tone}-{step}")
}

fn figure(measure: Measure, value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match measure {
        Measure::Contacts => format!("{value:.0}"),
        Measure::Sentiment => format!("{value:+.2}"),
        Measure::Effort => format!("{value:.2}"),
        Measure::DropOff | Measure::Repeat | Measure::Resolution => format!("{:.0} %", value * 100.0),
    }
}

/// What each colour stands for, where it stands for anything.
fn legend(words: &Words, seen: &Seen, measure: Measure) -> Markup {
    let own = words.language.maps();
    let most = most(seen);
    let text = |tone: Tone, step: u8| -> Option<String> {
        let (from, to) = (f64::from(step) / f64::from(STEPS), f64::from(step + 1) / f64::from(STEPS));
        Some(match measure {
            Measure::Contacts => {
                // The counts whose share of the most falls into this fifth.
                let (step, steps) = (u64::from(step), u64::from(STEPS));
                let first = (most * step).div_ceil(steps).max(1);
                let last = if step + 1 == steps {
                    most
                } else {
                    (most * (step + 1)).div_ceil(steps).saturating_sub(1)
                };
                match first.cmp(&last) {
                    std::cmp::Ordering::Less => format!("{first}–{last}"),
                    std::cmp::Ordering::Equal => first.to_string(),
                    std::cmp::Ordering::Greater => return None,
                }
            }
            Measure::Sentiment if tone == Tone::Bad => format!("{:+.1} … {:+.1}", -to, -from),
            Measure::Sentiment => format!("{from:+.1} … {to:+.1}"),
            Measure::Effort => format!("{from:.1}–{to:.1}"),
            _ => format!("{:.0}–{:.0} %", from * 100.0, to * 100.0),
        })
    };
    let steps = measure.tones().iter().flat_map(|tone| {
        let steps: Vec<u8> = if *tone == Tone::Bad && measure == Measure::Sentiment {
            (0..STEPS).rev().collect()
        } else {
            (0..STEPS).collect()
        };
        steps.into_iter().map(move |step| (*tone, step))
    });
    html! {
        ul class="legend" aria-label=(own.legend) {
            @for (tone, step) in steps { @if let Some(text) = text(tone, step) { li class=(class((tone, step))) { (text) } } }
        }
    }
}

fn list(words: &Words, seen: &Seen) -> Markup {
    let own = words.language.maps();
    let figures =
        [Measure::Sentiment, Measure::Effort, Measure::DropOff, Measure::Repeat, Measure::Resolution];
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(own.all_figures) { table {
            thead { tr {
                th { (words.stage) } th { (words.channel) } th { (own.contacts) } th { (own.journeys) } th { (own.first_contacts) }
                @for measure in figures { th { (name(words, measure)) } }
            } }
            tbody { @for cell in seen.map.cells.iter().chain([&seen.map.total]) {
                tr {
                    td { (stage(words, cell.stage)) } td { (channel(words, cell.channel)) }
                    td { (cell.contacts) } td { (cell.journeys) } td { (cell.first_contacts) }
                    @for measure in figures { td { (figure(measure, measure.of(cell))) } }
                }
            } }
        } }
    }
}
