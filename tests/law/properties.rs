//! The invariants of the decision as properties of random worlds and random objects, nasty ones by preference.

mod exceptions;
pub mod generate;
mod scheduler;

use std::fmt::Debug;
use std::sync::Arc;

use domicile::engine::country::{Country, CountrySet};
use domicile::engine::law::reach::reach;
use domicile::engine::node::{COUNTRY_LABEL, Located};
use domicile::engine::verdict::Action;
use domicile::index::{Index, Object};
use domicile::interpret::world::World;
use domicile::interpret::{self, Body, JudgeError, Judgement, Operation, Request};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::Value;

use generate::NAMESPACE;

/// How often each property is tried. Together they stay far below a minute.
pub fn tries(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 4000, ..Config::default() }
}

pub fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

pub fn index(manifests: &[Value]) -> Index {
    let mut index = Index::new(crate::builtin());
    for manifest in manifests {
        index.apply(Object::from_manifest(manifest.clone()).unwrap().unwrap());
    }
    index.refresh(now());
    index
}

fn judge_text(
    world: &World,
    group: &str,
    kind: &str,
    object: &str,
    old: Option<&str>,
) -> Result<Judgement, JudgeError> {
    let operation = if old.is_some() { Operation::Update } else { Operation::Create };
    let request = Request {
        operation,
        group,
        kind,
        namespace: NAMESPACE,
        name: "app",
        object: Body::Json(object),
        old: old.map(Body::Json),
        user: domicile::interpret::access::User::default(),
    };
    interpret::judge(world, &request, now())
}

pub fn judge(world: &World, object: &Value) -> Judgement {
    let (group, kind) = generate::kind_of(object);
    judge_text(world, group, kind, &object.to_string(), None).unwrap()
}

pub fn patched(object: &Value, judgement: &Judgement) -> Value {
    let mut object = object.clone();
    json_patch::patch(&mut object, &judgement.patch).unwrap();
    object
}

/// What is changed is changed once, is allowed then, and what is not changed has no patch.
fn rewriting_is_done_at_once(world: &World, object: &Value) -> Result<(), TestCaseError> {
    let first = judge(world, object);
    if first.verdict.action != Action::Rewrite {
        prop_assert!(first.patch.is_empty(), "{:?} with a patch", first.verdict.action);
        return Ok(());
    }
    let second = judge(world, &patched(object, &first));
    prop_assert_eq!(second.verdict.action, Action::Allow, "after {:?}: {:#?}", first.patch, second.verdict);
    prop_assert!(second.patch.is_empty(), "patched again: {:?}", second.patch);
    Ok(())
}

/// Where the policy of `generate::strict_policies` and the built-in one let data of these origins be.
fn allowed(world: &World, origins: &str, home: bool) -> CountrySet {
    let each = origins.split('_').map(|code| {
        let origin = Country::parse(code).unwrap();
        if home { CountrySet::only(origin) } else { reach(origin, &world.lawbook, now()).0 }
    });
    each.fold(CountrySet::FULL, |all, one| all.intersection(&one))
}

/// The nodes as the operator keeps them: with the country label where the country is known, and without it elsewhere.
fn as_kept(index: &Index, nodes: &[Value]) -> Vec<(Value, Option<Country>)> {
    let keep = |node: &Value| {
        let state = index.nodes().find(|state| Some(state.facts.name.as_str()) == node["metadata"]["name"].as_str());
        let country = match &state.unwrap().located {
            Located::In { country, .. } => Some(*country),
            Located::Unknown(_) | Located::Disputed(_) => None,
        };
        let mut node = node.clone();
        if let Some(country) = country {
            node["metadata"]["labels"][COUNTRY_LABEL] = country.as_str().into();
        }
        (node, country)
    };
    nodes.iter().map(keep).collect()
}

fn rank(action: Action) -> u8 {
    u8::from(action == Action::Refuse)
}

fn text<T: Debug>(value: &T) -> String {
    format!("{value:#?}")
}

proptest! {
    #![proptest_config(tries(800))]

    /// The most important one: whatever a pod asks for, after admission the scheduler can only put it on nodes that
    /// are known to stand in an allowed country, however the nodes lie about themselves.
    #[test]
    fn a_pod_that_passes_can_only_run_on_nodes_in_allowed_countries(
        nodes in generate::nodes(),
        origins in generate::origins(),
        (home, policies) in generate::strict_policies(),
        pod in generate::pod(),
    ) {
        let mut manifests = generate::places();
        manifests.extend(nodes.iter().cloned());
        manifests.extend(policies);
        manifests.push(generate::namespace(Some(&origins)));
        let index = index(&manifests);
        let world = index.world();
        let judgement = judge(&world, &pod);
        if judgement.verdict.action == Action::Refuse {
            return Ok(());
        }
        let pod = patched(&pod, &judgement);
        let allowed = allowed(&world, &origins, home);
        for (node, country) in as_kept(&index, &nodes) {
            if scheduler::accepts(&node, &pod) {
                prop_assert!(
                    country.is_some_and(|country| allowed.contains(country)),
                    "{:?} in {country:?} is accepted for {pod}; allowed: {allowed}",
                    node
                );
            }
        }
        rewriting_is_done_at_once(&world, &generate::unpatched(&pod, &judgement))?;
    }
}

proptest! {
    #![proptest_config(tries(300))]

    #[test]
    fn rewriting_twice_is_rewriting_once(world in generate::world(), object in generate::object()) {
        let world: Arc<World> = index(&world).world();
        rewriting_is_done_at_once(&world, &object)?;
    }

    #[test]
    fn one_more_policy_never_lets_pass_what_was_refused(
        world in generate::world(),
        policy in generate::policy("another"),
        object in generate::object(),
    ) {
        let mut index = index(&world);
        let before = judge(&index.world(), &object).verdict;
        index.apply(Object::from_manifest(policy).unwrap().unwrap());
        let after = judge(&index.refresh(now()), &object).verdict;
        prop_assert!(rank(before.action) <= rank(after.action), "{before:#?}\n{after:#?}");
    }

    #[test]
    fn one_more_origin_never_lets_pass_what_was_refused(
        world in generate::world(),
        origin in prop::sample::select(vec!["FR", "US", "CH", "Germany"]),
        object in generate::object(),
    ) {
        let before = judge(&index(&world).world(), &object).verdict;
        let more = generate::with_origin(&world, origin);
        let after = judge(&index(&more).world(), &object).verdict;
        prop_assert!(rank(before.action) <= rank(after.action), "{before:#?}\n{after:#?}");
    }

    #[test]
    fn the_order_of_objects_never_matters_and_equal_inputs_give_equal_bytes(
        (world, shuffled) in generate::world().prop_flat_map(|world| (Just(world.clone()), Just(world).prop_shuffle())),
        object in generate::object(),
    ) {
        let (one, other) = (judge(&index(&world).world(), &object), judge(&index(&shuffled).world(), &object));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(text(&one), text(&other));
        let bytes = |judgement: &Judgement| serde_json::to_vec(&(&judgement.patch, &judgement.verdict.findings)).unwrap();
        prop_assert_eq!(bytes(&one), bytes(&other));
    }

    #[test]
    fn an_object_that_comes_and_goes_leaves_nothing_behind(
        world in generate::world(),
        passing in generate::policy("passing"),
        object in generate::object(),
    ) {
        let mut index = index(&world);
        let before = judge(&index.world(), &object);
        index.apply(Object::from_manifest(passing).unwrap().unwrap());
        index.refresh(now());
        index.delete(domicile::index::Kind::ResidencyPolicy, "", "passing");
        prop_assert_eq!(before, judge(&index.refresh(now()), &object));
    }
}

proptest! {
    #![proptest_config(tries(1500))]

    #[test]
    fn no_text_makes_the_decision_panic(
        (group, kind) in generate::any_kind(),
        object in generate::nonsense(),
        old in prop::option::of(generate::nonsense()),
    ) {
        let world = generate::busy_world();
        let _ = judge_text(&world, group, kind, &object, old.as_deref());
    }

    #[test]
    fn no_damaged_object_makes_the_decision_panic(
        (group, kind) in generate::any_kind(),
        object in generate::object(),
        changes in generate::changes(),
        old in prop::option::of(generate::object()),
    ) {
        let world = generate::busy_world();
        let mut damaged = object;
        for change in changes {
            change.apply(&mut damaged);
        }
        let (own_group, own_kind) = generate::kind_of(&damaged);
        let text = damaged.to_string();
        let old = old.map(|old| old.to_string());
        let _ = judge_text(&world, own_group, own_kind, &text, None);
        let _ = judge_text(&world, group, kind, &text, old.as_deref());
    }
}

proptest! {
    #![proptest_config(tries(60))]

    /// However the world came about, and whatever was judged on the way: only what is there now counts.
    #[test]
    fn an_audit_that_remembers_says_what_one_says_that_has_just_begun(
        world in generate::world(),
        steps in proptest::collection::vec(
            (0..6_usize, generate::pod(), any::<bool>(), generate::world(), -20_000_i64..20_000),
            1..12,
        ),
    ) {
        let mut lasting = index(&world);
        let mut pods = std::collections::BTreeMap::new();
        let mut others = world.clone();
        for (number, mut pod, gone, another, days) in steps {
            // Clocks are set forth and back.
            let now = now() + jiff::SignedDuration::from_hours(days * 24 / 10);
            let name = format!("app-{number}");
            if gone {
                lasting.delete(domicile::index::Kind::Pod, NAMESPACE, &name);
                pods.remove(&name);
            } else {
                pod["metadata"]["name"] = name.as_str().into();
                pod["metadata"]["labels"] = serde_json::json!({"app": if number % 2 == 0 { "a" } else { "b" }});
                lasting.apply(Object::from_manifest(pod.clone()).unwrap().unwrap());
                pods.insert(name, pod);
            }
            // Now and then something else changes as well.
            if let Some(other) = another.get(number * 5) {
                lasting.apply(Object::from_manifest(other.clone()).unwrap().unwrap());
                others.push(other.clone());
            }
            lasting.refresh(now);
            let remembered = format!("{:#?}", lasting.observe(now));
            let everything: Vec<Value> = others.iter().chain(pods.values()).cloned().collect();
            let mut begun = index(&everything);
            begun.refresh(now);
            let fresh = format!("{:#?}", begun.observe(now));
            prop_assert_eq!(&remembered, &fresh);
            prop_assert_eq!(format!("{:#?}", lasting.observe(now)), fresh);
        }
    }
}
