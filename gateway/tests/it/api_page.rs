//! docs/api.md names every route, and no other. A router can't be asked for its routes, so its source is.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/api.md");
const ROUTER: &str = include_str!("../../src/http.rs");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// `METHOD /path`, with every parameter as `{}`.
fn call(method: &str, path: &str) -> String {
    let shape: String = path.split(['{', '}']).enumerate().map(|(number, piece)| if number % 2 == 0 { piece } else { "{}" }).collect();
    format!("{} {shape}", method.to_uppercase())
}

fn documented() -> BTreeSet<String> {
    let calls = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let calls = calls.filter_map(|call| call.split_once(' ')).filter(|(method, path)| METHODS.contains(&&*method.to_lowercase()) && path.starts_with('/'));
    calls.map(|(method, path)| call(method, path.split('?').next().unwrap_or_default())).collect()
}

fn routed() -> BTreeSet<String> {
    let api = &ROUTER[ROUTER.find("fn api()").expect("the routes")..];
    let mut routes = BTreeSet::new();
    for route in api[..api.find("\n}").expect("the end of the routes")].split(".route(").skip(1) {
        let path = route.split('"').nth(1).expect("a path in quotes");
        let handlers = &route[route.find(path).expect("the path") + path.len()..];
        routes.extend(METHODS.iter().filter(|method| handlers.contains(&format!("{method}("))).map(|method| call(method, path)));
    }
    routes
}

#[test]
fn every_route_is_in_the_page_and_every_route_in_the_page_exists() {
    let routed = routed();
    assert!(routed.len() > 10, "{routed:?}");
    assert_eq!(documented(), routed);
}
