//! Names and shapes of every exchange and queue: a description, no connection. `amqp::declare` applies and checks it.

use serde::Serialize;

use crate::config;
use crate::store::Destination;

/// What has to be on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Prefix of every name.
    pub prefix: String,
    /// Which set of input queues.
    pub generation: u16,
    /// Exchanges, in the order they can be declared.
    pub exchanges: Vec<Exchange>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Bindings of queues.
    pub bindings: Vec<Binding>,
    /// Bindings of exchanges.
    pub links: Vec<Link>,
}

/// A durable exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// `fanout`, `topic`, `direct` or `x-consistent-hash`.
    pub kind: &'static str,
    /// Exchange that takes what no binding takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate: Option<String>,
    /// What it is for.
    pub purpose: &'static str,
}

/// A durable quorum queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its `x-` arguments.
    pub arguments: Vec<(&'static str, Argument)>,
    /// What it is for.
    pub purpose: &'static str,
}

/// Value of a queue argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Argument {
    /// Text.
    Text(String),
    /// Number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// A queue bound to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Where messages come from.
    pub exchange: String,
    /// Where they go.
    pub queue: String,
    /// Binding key; the weight, for a consistent-hash exchange.
    pub key: String,
}

/// An exchange bound to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Where messages come from.
    pub from: String,
    /// Where they go.
    pub to: String,
}

/// What nobody has bound is kept so long: 7 days in milliseconds. The store still has the decision afterwards.
const UNROUTED_TTL_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Looking at parked messages takes and returns them, which some versions of RabbitMQ count and limit by default; so does
/// holding what an address out there does not take yet.
const NO_DELIVERY_LIMIT: i64 = 1_000_000_000;

impl Topology {
    /// The topology that this configuration asks for.
    pub fn of(config: &config::Broker) -> Self {
        let name = |part: &str| format!("{}.{part}", config.prefix);
        let exchange =
            |part: &str, kind, alternate, purpose| Exchange { name: name(part), kind, alternate, purpose };
        let unrouted = || Some(name("unrouted"));
        let spread_kind = if config.shards > 1 { "x-consistent-hash" } else { "fanout" };
        let spread = match config.generation {
            0 => "interactions.spread".to_owned(),
            generation => format!("interactions.g{generation}.spread{}", config.shards),
        };
        let input = |shard| input_queue(&config.prefix, config.generation, shard);
        let exchanges = vec![
            exchange("unrouted", "fanout", None, "takes what no binding takes"),
            exchange("parked", "fanout", None, "messages that could not be decided"),
            exchange("interactions", "fanout", None, "what arrives; routing key: the customer"),
            exchange(&spread, spread_kind, None, "spreads what arrives over the input queues"),
            exchange("decisions", "topic", unrouted(), "decisions; <priority>.<queue>.<channel>"),
            exchange("events", "topic", unrouted(), "state changes"),
            exchange("corrections", "topic", unrouted(), "supervisors' corrections"),
        ];

        let inputs = (0..config.shards).map(|shard| Queue {
            name: input(shard),
            arguments: vec![
                ("x-queue-type", Argument::Text("quorum".to_owned())),
                ("x-single-active-consumer", Argument::Flag(true)),
                ("x-delivery-limit", Argument::Number(i64::from(config.delivery_limit))),
                ("x-dead-letter-exchange", Argument::Text(name("parked"))),
                ("x-dead-letter-strategy", Argument::Text("at-least-once".to_owned())),
                ("x-overflow", Argument::Text("reject-publish".to_owned())),
            ],
            purpose: "input, one active worker",
        });
        let parked = Queue {
            name: name("parked"),
            arguments: vec![
                ("x-queue-type", Argument::Text("quorum".to_owned())),
                ("x-delivery-limit", Argument::Number(NO_DELIVERY_LIMIT)),
            ],
            purpose: "parked messages, until replayed or discarded",
        };
        let unrouted = Queue {
            name: name("unrouted"),
            arguments: vec![
                ("x-queue-type", Argument::Text("quorum".to_owned())),
                ("x-message-ttl", Argument::Number(UNROUTED_TTL_MS)),
            ],
            purpose: "what nobody has bound, for 7 days",
        };
        let queues: Vec<Queue> = inputs.chain([parked, unrouted]).collect();

        let bind = |exchange: &str, queue: String, key: &str| Binding {
            exchange: name(exchange),
            queue,
            key: key.to_owned(),
        };
        let key = if config.shards > 1 { "1" } else { "" };
        let bindings = (0..config.shards)
            .map(|shard| bind(&spread, input(shard), key))
            .chain([bind("parked", name("parked"), ""), bind("unrouted", name("unrouted"), "")])
            .collect();
        let links = vec![Link { from: name("interactions"), to: name(&spread) }];
        Self {
            prefix: config.prefix.clone(),
            generation: config.generation,
            exchanges,
            queues,
            bindings,
            links,
        }
    }

    /// With the queues that the gateway sends from, and an exchange by which parked messages come back to them.
    #[must_use]
    pub fn with_hooks(mut self, gateway: &config::Gateway) -> Self {
        let hooks = format!("{}.hooks", self.prefix);
        for hook in gateway.hooks() {
            if !self.exchanges.iter().any(|exchange| exchange.name == hooks) {
                self.exchanges.push(Exchange {
                    name: hooks.clone(),
                    kind: "direct",
                    alternate: None,
                    purpose: "back to the queue of a hook, from the parked messages",
                });
            }
            let queue = hook_queue(&self.prefix, &hook.name);
            self.queues.push(Queue {
                name: queue.clone(),
                arguments: vec![
                    ("x-queue-type", Argument::Text("quorum".to_owned())),
                    ("x-delivery-limit", Argument::Number(NO_DELIVERY_LIMIT)),
                ],
                purpose: "what the gateway sends to a hook",
            });
            let bind =
                |exchange: String, key: &str| Binding { exchange, queue: queue.clone(), key: key.to_owned() };
            let decisions = hook.decisions.iter().map(|key| (Destination::Decisions, key));
            let events = hook.events.iter().map(|key| (Destination::Events, key));
            let bindings: Vec<Binding> = decisions
                .chain(events)
                .map(|(destination, key)| bind(self.exchange_of(destination), key))
                .chain([bind(hooks.clone(), &queue)])
                .collect();
            self.bindings.extend(bindings);
        }
        self
    }

    /// Where a parked message goes when it is replayed: back to the hook it was meant for, else to the workers. Exchange
    /// and routing key.
    pub fn way_back<'a>(&self, origin: Option<&'a str>, routing_key: &'a str) -> (String, &'a str) {
        let hooks = format!("{}.hooks", self.prefix);
        match origin {
            Some(queue) if queue.strip_prefix(&hooks).is_some_and(|rest| rest.starts_with('.')) => {
                (hooks, queue)
            }
            _ => (self.interactions(), routing_key),
        }
    }

    /// Exchange a message goes to.
    pub fn exchange_of(&self, destination: Destination) -> String {
        let part = match destination {
            Destination::Interactions => "interactions",
            Destination::Decisions => "decisions",
            Destination::Events => "events",
            Destination::Corrections => "corrections",
            Destination::Parked => "parked",
        };
        format!("{}.{part}", self.prefix)
    }

    /// Exchange that producers publish to.
    pub fn interactions(&self) -> String {
        format!("{}.interactions", self.prefix)
    }

    /// Queue of the parked messages.
    pub fn parked_queue(&self) -> String {
        format!("{}.parked", self.prefix)
    }

    /// The queues that are not read by workers, and so can be looked through.
    pub fn kept_queues(&self) -> impl Iterator<Item = &str> {
        let start = format!("{}.interactions.", self.prefix);
        self.queues.iter().map(|queue| queue.name.as_str()).filter(move |name| !name.starts_with(&start))
    }

    /// The input queues, in order.
    pub fn input_queues(&self) -> impl Iterator<Item = &str> {
        let start = format!("{}.interactions.", self.prefix);
        self.queues.iter().map(|queue| queue.name.as_str()).filter(move |name| name.starts_with(&start))
    }

    /// The exchange that spreads messages over the input queues.
    pub fn spread(&self) -> &str {
        self.links.first().map_or("", |link| link.to.as_str())
    }

    /// `rabbitmqctl` commands that give each kind of user no more than it needs. Nobody but the operator configures.
    pub fn users(&self, vhost: &str) -> Vec<User> {
        let p = self.prefix.replace('.', "\\.");
        let user = |name: &str, purpose, configure: &str, write: &str, read: &str| User {
            name: format!("{}-{name}", self.prefix),
            purpose,
            configure: configure.to_owned(),
            write: write.to_owned(),
            read: read.to_owned(),
            vhost: vhost.to_owned(),
        };
        vec![
            user(
                "operator",
                "smista topology apply, smista parked",
                &format!("^{p}\\."),
                &format!("^{p}\\."),
                &format!("^{p}\\."),
            ),
            user(
                "worker",
                "smista worker",
                "^$",
                &format!("^{p}\\.(decisions|events|corrections|parked)$"),
                &format!("^{p}\\.interactions\\.(g[0-9]+\\.)?[0-9]+$"),
            ),
            user("console", "smista console", "^$", &format!("^{p}\\.corrections$"), "^$"),
            user(
                "gateway",
                "smista gateway",
                "^$",
                &format!("^{p}\\.(interactions|parked)$"),
                &format!("^{p}\\.hooks\\..+$"),
            ),
            user("producer", "whoever sends interactions", "^$", &format!("^{p}\\.interactions$"), "^$"),
            user(
                "router",
                "a routing system with queues of its own, named router.…",
                "^router\\.",
                "^router\\.",
                &format!("^(router\\..*|{p}\\.(decisions|events|corrections))$"),
            ),
        ]
    }
}

/// An input queue. Each generation has names of its own, so that another number of shards needs no queue of the former.
pub fn input_queue(prefix: &str, generation: u16, shard: u16) -> String {
    match generation {
        0 => format!("{prefix}.interactions.{shard}"),
        _ => format!("{prefix}.interactions.g{generation}.{shard}"),
    }
}

/// The queue of a hook.
pub fn hook_queue(prefix: &str, hook: &str) -> String {
    format!("{prefix}.hooks.{hook}")
}

/// A broker user with the permissions it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Proposed name.
    pub name: String,
    /// Who uses it.
    pub purpose: &'static str,
    /// Pattern of what it may declare.
    pub configure: String,
    /// Pattern of what it may publish to.
    pub write: String,
    /// Pattern of what it may consume from or bind.
    pub read: String,
    /// Virtual host.
    pub vhost: String,
}

impl User {
    /// The two commands that make it; the password is asked for by `rabbitmqctl`.
    pub fn commands(&self) -> [String; 2] {
        [
            format!("rabbitmqctl add_user '{}'", self.name),
            format!(
                "rabbitmqctl set_permissions -p '{}' '{}' '{}' '{}' '{}'",
                self.vhost, self.name, self.configure, self.write, self.read
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(shards: u16) -> Topology {
        let mut config = config::Config::load(None).unwrap().broker;
        config.prefix = "acme.smista".to_owned();
        config.shards = shards;
        Topology::of(&config)
    }

    #[test]
    fn one_shard_needs_no_plugin() {
        let topology = topology(1);
        assert!(topology.exchanges.iter().all(|exchange| matches!(exchange.kind, "fanout" | "topic")));
        assert_eq!(topology.input_queues().collect::<Vec<_>>(), ["acme.smista.interactions.0"]);
    }

    #[test]
    fn more_shards_share_by_hash_with_equal_weight() {
        let topology = topology(3);
        let spread = topology.exchanges.iter().find(|exchange| exchange.name == topology.spread()).unwrap();
        assert_eq!(spread.kind, "x-consistent-hash");
        assert_eq!(topology.links, [Link { from: topology.interactions(), to: spread.name.clone() }]);
        let keys: Vec<_> = topology
            .bindings
            .iter()
            .filter(|b| b.exchange == topology.spread())
            .map(|b| b.key.as_str())
            .collect();
        assert_eq!(keys, ["1", "1", "1"]);
    }

    #[test]
    fn a_generation_shares_no_queue_and_no_spread_with_another() {
        let mut config = config::Config::load(None).unwrap().broker;
        let of = |generation, shards, config: &mut config::Broker| {
            (config.generation, config.shards) = (generation, shards);
            Topology::of(config)
        };
        let (first, second, third) = (of(0, 4, &mut config), of(1, 4, &mut config), of(2, 2, &mut config));
        assert_eq!(first.input_queues().next(), Some("smista.interactions.0"));
        assert_eq!(second.input_queues().collect::<Vec<_>>().len(), 4);
        for (a, b) in [(&first, &second), (&second, &third), (&first, &third)] {
            assert!(a.input_queues().all(|queue| b.input_queues().all(|other| other != queue)));
            assert_ne!(a.spread(), b.spread());
            assert_eq!(a.interactions(), b.interactions());
        }
    }

    #[test]
    fn alternates_and_dead_letters_lead_to_exchanges_with_a_queue() {
        let topology = topology(2);
        let caught = |name: &str| topology.bindings.iter().any(|binding| binding.exchange == name);
        for exchange in &topology.exchanges {
            if let Some(alternate) = &exchange.alternate {
                assert!(caught(alternate));
            }
        }
        for queue in &topology.queues {
            for (name, value) in &queue.arguments {
                if *name == "x-dead-letter-exchange" {
                    assert!(caught(&value.to_string()));
                }
            }
        }
        for destination in
            [Destination::Decisions, Destination::Events, Destination::Corrections, Destination::Parked]
        {
            let name = topology.exchange_of(destination);
            let exchange = topology.exchanges.iter().find(|exchange| exchange.name == name).unwrap();
            assert!(exchange.alternate.is_some() || caught(&name), "{name} may lose messages");
        }
    }

    #[test]
    fn hooks_get_what_they_ask_for_and_what_was_parked_of_it_comes_back_to_them() {
        let mut gateway = config::Config::load(None).unwrap().gateway;
        assert_eq!(topology(2).with_hooks(&gateway), topology(2), "without hooks nothing changes");
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        gateway.webhooks = vec![config::Webhook {
            name: "crm".to_owned(),
            decisions: keys(&["urgent.#", "high.#"]),
            events: keys(&["journey.churn_risk"]),
            ..config::Webhook::default()
        }];
        let topology = topology(2).with_hooks(&gateway);
        let queue = "acme.smista.hooks.crm";
        let mut bound: Vec<_> = topology.bindings.iter().filter(|binding| binding.queue == queue).collect();
        bound.sort_by_key(|binding| (&binding.exchange, &binding.key));
        let bound: Vec<_> = bound.iter().map(|one| (one.exchange.as_str(), one.key.as_str())).collect();
        assert_eq!(
            bound,
            [
                ("acme.smista.decisions", "high.#"),
                ("acme.smista.decisions", "urgent.#"),
                ("acme.smista.events", "journey.churn_risk"),
                ("acme.smista.hooks", queue),
            ]
        );
        assert!(topology.kept_queues().any(|kept| kept == queue), "an erasure looks into it");
        assert_eq!(topology.way_back(Some(queue), "urgent.x.chat"), ("acme.smista.hooks".to_owned(), queue));
        let workers = ("acme.smista.interactions".to_owned(), "anna");
        for origin in [None, Some("acme.smista.interactions.1"), Some("acme.smista.hooksome")] {
            assert_eq!(topology.way_back(origin, "anna"), workers);
        }
    }

    #[test]
    fn a_worker_may_configure_nothing_and_read_only_its_input() {
        let topology = topology(2);
        let users = topology.users("/");
        let worker = users.iter().find(|user| user.name == "acme.smista-worker").unwrap();
        let may = |pattern: &str, name: &str| regex::Regex::new(pattern).unwrap().is_match(name);
        assert!(!may(&worker.configure, "acme.smista.decisions"));
        assert!(may(&worker.write, "acme.smista.decisions"));
        assert!(!may(&worker.write, "acme.smista.interactions"));
        assert!(may(&worker.read, "acme.smista.interactions.1"));
        assert!(may(&worker.read, "acme.smista.interactions.g2.1"));
        assert!(!may(&worker.read, "acme.smista.interactions.spread"));
        assert!(!may(&worker.read, "acme.smista.parked"));
        assert!(!may(&worker.read, "acmeXsmista.interactions.1"));
    }
}
