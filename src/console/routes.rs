//! Every route with the lowest role that may use it: the router is built from this table, and so is the test that walks it.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{MethodRouter, get, post};

use super::guard::{self, Guard};
use super::{
    Console, access, assets, canary, conversation, erasure, fault::Fault, live, maps, oidc, operator, policy,
    queue, sign_in,
};
use crate::store::console::Role;

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// To the queue.
    Home,
    /// The form of the sign-in.
    SignInForm,
    /// A sign-in.
    SignIn,
    /// A sign-in that works once.
    Once,
    /// Off to the provider.
    Provider,
    /// Back from it.
    Callback,
    /// The end of a session.
    SignOut,
    /// Style sheet, script, icon.
    Asset,
    /// The review queue.
    Queue,
    /// Keep or forget a filter.
    View,
    /// News as server-sent events.
    Live,
    /// A conversation.
    Conversation,
    /// Assign, resolve, reopen, comment.
    Act,
    /// Confirm or correct.
    Correct,
    /// The language of the pages.
    Language,
    /// Who saw what.
    Access,
    /// The journey map.
    Map,
    /// What messages are about over time.
    Topics,
    /// Who may leave.
    Churn,
    /// How often the model was right.
    Agreement,
    /// A customer's timeline.
    Timeline,
    /// Ask for a customer's erasure.
    AskErasure,
    /// Who is to be erased.
    Erasures,
    /// Take a request back.
    WithdrawErasure,
    /// How the workers do.
    Operations,
    /// The parked messages.
    ParkedList,
    /// One of them.
    Parked,
    /// Replay or discard.
    ParkedAct,
    /// The policy in force.
    Policy,
    /// Try another one out.
    Simulate,
    /// What came out.
    Simulation,
    /// Where a canary differs.
    Canary,
}

/// A route.
#[derive(Debug, Clone)]
pub struct Route {
    /// GET or POST.
    pub method: Method,
    /// As axum writes it.
    pub path: &'static str,
    /// What it leads to.
    pub page: Page,
    /// Who may; none for everybody.
    pub lowest: Option<Role>,
}

const fn route(method: Method, path: &'static str, page: Page, lowest: Option<Role>) -> Route {
    Route { method, path, page, lowest }
}

/// Every route there is.
pub const ROUTES: &[Route] = &[
    route(Method::GET, "/", Page::Home, Some(Role::Viewer)),
    route(Method::GET, "/sign-in", Page::SignInForm, None),
    route(Method::POST, "/sign-in", Page::SignIn, None),
    route(Method::GET, "/sign-in/once/{token}", Page::Once, None),
    route(Method::GET, "/sign-in/provider", Page::Provider, None),
    route(Method::GET, oidc::CALLBACK, Page::Callback, None),
    route(Method::POST, "/sign-out", Page::SignOut, Some(Role::Viewer)),
    route(Method::GET, "/assets/{name}", Page::Asset, None),
    route(Method::GET, "/queue", Page::Queue, Some(Role::Viewer)),
    route(Method::POST, "/views", Page::View, Some(Role::Viewer)),
    route(Method::GET, "/live", Page::Live, Some(Role::Viewer)),
    route(Method::GET, "/conversation/{id}", Page::Conversation, Some(Role::Viewer)),
    route(Method::GET, "/conversation/{id}/timeline", Page::Timeline, Some(Role::Viewer)),
    route(Method::POST, "/conversation/{id}/erasure", Page::AskErasure, Some(Role::Supervisor)),
    route(Method::GET, "/erasures", Page::Erasures, Some(Role::Operator)),
    route(Method::POST, "/erasures/withdraw", Page::WithdrawErasure, Some(Role::Operator)),
    route(Method::POST, "/conversation/{id}/act", Page::Act, Some(Role::Supervisor)),
    route(Method::POST, "/conversation/{id}/correct", Page::Correct, Some(Role::Supervisor)),
    route(Method::POST, "/language", Page::Language, Some(Role::Viewer)),
    route(Method::GET, "/access", Page::Access, Some(Role::Admin)),
    route(Method::GET, "/maps", Page::Map, Some(Role::Viewer)),
    route(Method::GET, "/maps/topics", Page::Topics, Some(Role::Viewer)),
    route(Method::GET, "/maps/churn", Page::Churn, Some(Role::Viewer)),
    route(Method::GET, "/maps/agreement", Page::Agreement, Some(Role::Viewer)),
    route(Method::GET, "/operations", Page::Operations, Some(Role::Operator)),
    route(Method::GET, "/parked", Page::ParkedList, Some(Role::Operator)),
    route(Method::GET, "/parked/{id}", Page::Parked, Some(Role::Operator)),
    route(Method::POST, "/parked", Page::ParkedAct, Some(Role::Operator)),
    route(Method::GET, "/policy", Page::Policy, Some(Role::Viewer)),
    route(Method::GET, "/canary", Page::Canary, Some(Role::Viewer)),
    route(Method::POST, "/policy/simulations", Page::Simulate, Some(policy::MAY_SIMULATE)),
    route(Method::GET, "/policy/simulations/{id}", Page::Simulation, Some(policy::MAY_SIMULATE)),
];

/// The console's router.
pub fn router(console: &Arc<Console>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let guard = Guard { console: Arc::clone(console), lowest: route.lowest };
        let handler = handler(route.page).layer(from_fn_with_state(guard, guard::guard));
        router = router.route(route.path, handler);
    }
    let anybody = Guard { console: Arc::clone(console), lowest: None };
    let nothing = get(|| async { Fault::NotFound }).layer(from_fn_with_state(anybody, guard::guard));
    router
        .merge(super::api::router(console))
        .fallback_service(nothing.with_state(Arc::clone(console)))
        .layer(from_fn_with_state(Arc::clone(console), guard::headers))
        .with_state(Arc::clone(console))
}

fn handler(page: Page) -> MethodRouter<Arc<Console>> {
    match page {
        Page::Home => get(|| async { Redirect::to("/queue") }),
        Page::SignInForm => get(sign_in::form),
        Page::SignIn => post(sign_in::sign_in),
        Page::Once => get(sign_in::once),
        Page::Provider => get(oidc::start),
        Page::Callback => get(oidc::callback),
        Page::SignOut => post(sign_in::sign_out),
        Page::Asset => get(assets::asset),
        Page::Queue => get(queue::page),
        Page::View => post(queue::keep_view),
        Page::Live => get(live::events),
        Page::Conversation => get(conversation::page),
        Page::Act => post(conversation::act),
        Page::Correct => post(conversation::correct),
        Page::Language => post(sign_in::language),
        Page::Access => get(access::page),
        Page::Map => get(maps::page),
        Page::Topics => get(maps::lists::topics),
        Page::Churn => get(maps::lists::churn),
        Page::Agreement => get(maps::lists::agreement),
        Page::Timeline => get(maps::timeline::page),
        Page::AskErasure => post(erasure::ask),
        Page::Erasures => get(erasure::page),
        Page::WithdrawErasure => post(erasure::withdraw),
        Page::Operations => get(operator::page),
        Page::ParkedList => get(operator::parked),
        Page::Parked => get(operator::one),
        Page::ParkedAct => post(operator::act),
        Page::Policy => get(policy::page),
        Page::Canary => get(canary::page),
        Page::Simulate => post(policy::simulate),
        Page::Simulation => get(policy::simulation),
    }
}
