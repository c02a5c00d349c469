//! Settings: lines of NAME=VALUE. Whatever they are, a gateway's configuration is read or every mistake is named with its variable, and no secret is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parley_gateway::config::GatewayConfig;
use parley_runtime::env::Env;

const SECRET: &str = "a long enough secret, 0123456789 abc";

fuzz_target!(|text: &str| {
    let given = text.lines().filter_map(|line| line.split_once('='));
    let pairs: Vec<_> = std::iter::once(("PARLEY_TOKEN_KEY", SECRET)).chain(given.filter(|(name, _)| *name != "PARLEY_TOKEN_KEY")).collect();
    let mut env = Env::from_pairs(pairs);
    let config = GatewayConfig::read(&mut env).expect("the key is good");
    assert!(!format!("{config:?}").contains(SECRET));
    if let Err(errors) = env.finish() {
        assert!(errors.mistakes.iter().all(|mistake| mistake.starts_with("PARLEY_") && !mistake.contains(SECRET)), "{errors:?}");
    }
});
