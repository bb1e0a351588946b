//! Every method in every version, and those beyond the protocol, with right arguments, each wrong one and heights at the edge, against what the node
//! alone says.
//!
//! The tables of methods of the protocol crate drive it: a method without cases fails, also one that `server.features` lists
//! as an extension. What all right cases are
//! answered is also kept in `golden/`, one file for each method, for people to read: hashes, headers and the node's own
//! words are replaced by names there. `UPDATE_GOLDEN=1` brings the files up to date.

mod bad;
mod cases;
mod golden;
mod told;
mod world;

use anyhow::{Context as _, Result, bail, ensure};
use electrumx_protocol::{EXTENSIONS, METHODS, MethodInfo, ProtocolVersion};
use electrumx_testkit::{ElectrumClient, RpcError};
use serde_json::Value;

use self::cases::{Case, Expected};
use self::golden::Golden;
use self::world::World;

/// All that Electrum's documents define; those between 1.4.3 and 1.6 never were.
const VERSIONS: [&str; 6] = ["1.4", "1.4.1", "1.4.2", "1.4.3", "1.6", "1.7"];

#[test]
fn every_method_in_every_version_answers_as_the_node_says() {
    let world = World::start().unwrap();
    let mut golden = Golden::new(&world);
    for version in VERSIONS {
        let mut client = connect(&world, version).unwrap();
        for method in METHODS.iter().chain(EXTENSIONS) {
            one_method(&world, &mut client, version, method, &mut golden)
                .with_context(|| format!("{} in {version}", method.name))
                .unwrap();
        }
    }
    told::every_notification_is_the_truth(world, &mut golden).unwrap();
    golden.compare().unwrap();
}

fn connect(world: &World, version: &str) -> Result<ElectrumClient> {
    let mut client = ElectrumClient::connect(world.setup.server.tcp_addr())?;
    let pair = client.call("server.version", serde_json::json!(["test", version]))?;
    ensure!(pair == world.version_pair(version), "{pair}");
    Ok(client)
}

fn one_method(
    world: &World,
    client: &mut ElectrumClient,
    version: &str,
    method: &'static MethodInfo,
    golden: &mut Golden,
) -> Result<()> {
    let parsed: ProtocolVersion = version.parse()?;
    let cases = cases::of(world, method.name, parsed)?;
    ensure!(!cases.is_empty(), "no cases");
    if !method.is_offered(parsed) {
        let text = format!("unknown method \"{}\"", method.name);
        return cases.iter().filter(|case| case.method == method.name).try_for_each(|case| {
            let unknown = Expected::Error(-32601, text.clone());
            check(&client.call(case.method, case.params.clone()), case, &unknown)
        });
    }
    for case in &cases {
        let answer = client.call(case.method, case.params.clone());
        check(&answer, case, &case.expected)?;
        golden.add(method.name, version, case, &answer);
    }
    for case in bad::of(method, parsed, &cases[0].params)? {
        check(&client.call(case.method, case.params.clone()), &case, &case.expected)?;
    }
    Ok(())
}

fn check(answer: &Result<Value, RpcError>, case: &Case, expected: &Expected) -> Result<()> {
    let (method, params) = (case.method, &case.params);
    match (answer, expected) {
        (Ok(answer), Expected::Result(expected) | Expected::Opaque(expected)) => {
            ensure!(answer == expected, "{method} {params}:\n{answer}\ninstead of\n{expected}");
        }
        (Ok(answer), Expected::Check(check)) => {
            check(answer).with_context(|| format!("{method} {params}: {answer}"))?;
        }
        (Err(error), Expected::Error(code, text) | Expected::Refused { code, text, .. }) => {
            let is_right = error.code() == Some(*code) && error.message() == text;
            ensure!(is_right, "{method} {params}:\n{error}\ninstead of\n{code}: {text}");
        }
        (Ok(answer), Expected::Error(code, text) | Expected::Refused { code, text, .. }) => {
            bail!("{method} {params}:\n{answer}\ninstead of error {code}: {text}")
        }
        (Err(error), _) => bail!("{method} {params}: {error}"),
    }
    Ok(())
}
