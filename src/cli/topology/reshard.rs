//! `smista topology reshard`: another number of input queues, while messages come in.

use std::io::Write as _;

use super::connect;
use crate::broker::amqp::reshard::{Reshard, Step};
use crate::broker::topology::Topology;
use crate::cli::style::{GOOD, HEADING, HINT, WARN, paint};
use crate::cli::{Hinted, Outcome, WrongUse};
use crate::config::Config;

/// Change the number of input queues; nothing is lost and every customer's messages stay in order.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Change the number of input queues; nothing is lost and every customer's messages stay in order.\n\n\
        Makes a new set of queues, has everything that arrives from now on go there, waits until the old queues are empty \
        and nobody consumes them, and deletes them. Workers begin with the new queues only then. Run it again if it was \
        interrupted. docs/reshard.md is the guide. Needs a user who may configure.",
    after_help = "Examples:\n  smista topology reshard --shards 8 --dry-run\n  smista topology reshard --shards 8 --wait"
)]
pub struct Args {
    /// Input queues there shall be
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    shards: u16,
    /// Go on though workers consume or messages wait: switch now, then wait until the workers are done
    #[arg(long)]
    wait: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let connection = connect(&config).await?;
    let plan = Reshard::plan(&connection, &config.broker, args.shards).await?;
    let mut err = anstream::stderr();
    write!(err, "{}", describe(&plan))?;
    if args.dry_run {
        writeln!(err, "Nothing was done.")?;
        return Ok(Outcome::Done);
    }
    if !plan.begun && args.shards == config.broker.shards {
        return Err(anyhow::Error::new(WrongUse(format!(
            "there are {} shards already: nothing to do",
            args.shards
        ))));
    }
    let (messages, consumed) = (plan.waiting(), plan.consumed());
    if !args.wait && (messages > 0 || consumed > 0) {
        return Err(anyhow::Error::new(Hinted::new(
            format!("{messages} messages wait in the old queues, and {consumed} of them have a worker"),
            "with --wait it switches now and waits until the workers are done; nothing has been changed yet",
        )));
    }
    let mut progress = Progress::default();
    plan.run(&connection, |step| progress.tell(&step)).await.map_err(|error| {
        anyhow::Error::new(error).context(Hinted::new(
            "the reshard is not done",
            "run it again with the same --shards: it goes on where it stopped",
        ))
    })?;
    writeln!(err, "{}", settings(&plan))?;
    Ok(Outcome::Done)
}

fn describe(plan: &Reshard) -> String {
    let (from, to) = (Topology::of(&plan.from), Topology::of(&plan.to));
    let (old, new) = (plan.from.shards, plan.to.shards);
    let range = |topology: &Topology| {
        let first = topology.input_queues().next().unwrap_or_default().to_owned();
        match topology.input_queues().last() {
            Some(last) if last != first => format!("{first} … {last}"),
            _ => first,
        }
    };
    let begun = if plan.begun { " (begun before, going on)" } else { "" };
    format!(
        "{}\n  1. declare {} and bind them to {}\n  2. bind {1} to {} and unbind {}\n  \
         3. wait until the old queues are empty and have no consumer: {} messages wait, {} of {old} queues have a worker\n  \
         4. delete {}\n",
        paint(HEADING, &format!("from {old} to {new} input queues{begun}")),
        range(&to),
        to.spread(),
        to.interactions(),
        from.spread(),
        plan.waiting(),
        plan.consumed(),
        range(&from),
    )
}

fn settings(plan: &Reshard) -> String {
    format!(
        "{} {} input queues. Every worker and console needs, under [broker]:\n\n  shards = {1}\n  generation = {}\n",
        paint(GOOD, "done:"),
        plan.to.shards,
        plan.to.generation
    )
}

/// Says each change once.
#[derive(Default)]
struct Progress {
    last: Option<Step>,
}

impl Progress {
    fn tell(&mut self, step: &Step) {
        if self.last.as_ref() == Some(step) {
            return;
        }
        let line = match step {
            Step::Declared => format!("{} the new queues are there", paint(GOOD, "1/4")),
            Step::Switched => format!("{} what arrives goes to the new queues", paint(GOOD, "2/4")),
            Step::Waiting { messages: 0, consumed: 0 } => {
                format!("{} the old queues are empty and nobody consumes them", paint(GOOD, "3/4"))
            }
            Step::Waiting { messages: 0, consumed } => format!(
                "{} the old queues are empty, {consumed} have a worker: {}",
                paint(WARN, "3/4"),
                paint(
                    HINT,
                    "give the workers the new configuration and restart them, all at once or one by one"
                )
            ),
            Step::Waiting { messages, consumed: 0 } => format!(
                "{} {messages} messages wait in the old queues and nobody consumes them: {}",
                paint(WARN, "3/4"),
                paint(HINT, "start a worker, with the old configuration or the new one")
            ),
            Step::Waiting { messages, consumed } => {
                format!(
                    "{} {messages} messages wait in the old queues, {consumed} have a worker",
                    paint(HEADING, "3/4")
                )
            }
            Step::Done => format!("{} the old queues are deleted", paint(GOOD, "4/4")),
        };
        // Without a stderr there is nobody to tell; the work goes on.
        let _ = writeln!(anstream::stderr(), "{line}");
        self.last = Some(step.clone());
    }
}
