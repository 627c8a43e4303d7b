//! What exceptions can do to a verdict, and what they never can.

use super::*;
use domicile::engine::verdict::Relief;
use serde_json::json;

/// Exceptions of a namespace, of which each may be in force.
fn exceptions(
    namespace: &'static str,
    starts: &'static str,
    expires: &'static str,
) -> impl Strategy<Value = Vec<Value>> {
    let some = |pool: &[&'static str], least: usize| prop::sample::subsequence(pool.to_vec(), least..=pool.len());
    let rules = some(&["RES-PLACE", "RES-UNKNOWN", "RES-CONTROL", "RES-GROUND", "LAW-TRANSFER", "LAW-LOCALISATION"], 1);
    let objects = some(
        &["Pod/app", "Deployment/app", "PersistentVolumeClaim/app", "DataStore/a", "DataStore/b", "DataFlow/out"],
        1,
    );
    let one = (
        rules,
        prop::option::weighted(0.4, objects),
        prop::option::weighted(0.3, some(&["DE", "FR", "US", "EU"], 1)),
        prop::option::weighted(0.3, some(&["user.contact", "pd:Health"], 1)),
        some(&["US", "IE", "FR", "DE", "NL"], 1),
        prop::option::weighted(0.4, some(&["law", "m", "z"], 1)),
    );
    let made = move |(at, (rules, objects, origins, categories, to, policies)): (usize, _)| {
        let objects: Option<Vec<&str>> = objects;
        let named: Vec<Value> = objects
            .unwrap_or_default()
            .iter()
            .map(|object| {
                let (kind, name) = object.split_once('/').unwrap();
                json!({"kind": kind, "name": name})
            })
            .collect();
        let (rules, to): (Vec<&str>, Vec<&str>) = (rules, to);
        let list = |list: Option<Vec<&str>>| json!(list.unwrap_or_default());
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyException",
            "metadata": {
                "name": format!("e{at}"), "namespace": namespace, "generation": 1,
                "creationTimestamp": "2026-11-01T00:00:00Z",
            },
            "spec": {
                "scope": {
                    "rules": rules, "objects": named, "origins": list(origins), "categories": list(categories), "to": to,
                },
                "policies": list(policies), "requestedBy": "alice", "approver": "bob", "legalBasis": "a contract",
                "reason": "a move", "starts": starts, "expires": expires,
            },
            "status": {"approval": {"by": "bob", "generation": 1}},
        })
    };
    prop::collection::vec(one, 1..4).prop_map(move |all| all.into_iter().enumerate().map(made).collect())
}

fn in_force() -> impl Strategy<Value = Vec<Value>> {
    exceptions(NAMESPACE, "2026-11-10T00:00:00Z", "2026-12-01T00:00:00Z")
}

/// The same world, in which every policy of its own allows exceptions.
fn allowing(world: &[Value]) -> Vec<Value> {
    let mut world = world.to_vec();
    for policy in world.iter_mut().filter(|manifest| manifest["kind"] == "ResidencyPolicy") {
        policy["spec"]["exceptions"] = json!({"allowed": true, "maxDays": 30});
    }
    world
}

fn with(world: &[Value], exceptions: &[Value]) -> Vec<Value> {
    world.iter().chain(exceptions).cloned().collect()
}

/// What comes of an object. What it was decided from is recorded with the name of the object where exceptions are, and is not
/// compared.
fn verdict(manifests: &[Value], object: &Value) -> Judgement {
    Judgement { decided: Vec::new(), ..judge(&index(manifests).world(), object) }
}

proptest! {
    #![proptest_config(tries(150))]

    #[test]
    fn an_exception_never_refuses_what_passes_without_it_and_never_touches_the_law(
        world in generate::world(),
        exceptions in in_force(),
        object in generate::object(),
    ) {
        let world = allowing(&world);
        let (before, after) = (verdict(&world, &object).verdict, verdict(&with(&world, &exceptions), &object).verdict);
        prop_assert!(rank(after.action) <= rank(before.action), "{before:#?}\n{after:#?}");
        prop_assert_eq!(before.legal, after.legal);
        let lifted = after.findings.iter().filter(|finding| finding.waived.as_ref().is_some_and(|one| one.relief == Relief::Waived));
        for finding in lifted {
            prop_assert!(finding.rule.starts_with("RES-"), "{finding:#?}");
        }
    }

    #[test]
    fn where_it_is_not_allowed_or_not_in_force_an_exception_is_as_if_it_were_not_there(
        world in generate::world(),
        elsewhere in exceptions("elsewhere", "2026-11-10T00:00:00Z", "2026-12-01T00:00:00Z"),
        expired in exceptions(NAMESPACE, "2026-11-10T00:00:00Z", "2026-11-22T00:00:00Z"),
        later in exceptions(NAMESPACE, "2026-11-22T00:00:01Z", "2026-12-01T00:00:00Z"),
        too_long in exceptions(NAMESPACE, "2026-10-10T00:00:00Z", "2026-12-01T00:00:00Z"),
        object in generate::object(),
    ) {
        let world = allowing(&world);
        let before = verdict(&world, &object);
        let unapproved: Vec<Value> = too_long.iter().cloned().map(|mut one| {
            one["spec"]["starts"] = "2026-11-10T00:00:00Z".into();
            one["metadata"]["generation"] = 2.into();
            one
        }).collect();
        for absent in [&elsewhere, &expired, &unapproved] {
            prop_assert_eq!(&before, &verdict(&with(&world, absent), &object));
        }
        // What begins later, and what nobody lets count, only says when it has to be looked at again, and who accepts what.
        for absent in [&later, &too_long] {
            let after = verdict(&with(&world, absent), &object);
            prop_assert_eq!(before.verdict.action, after.verdict.action);
            prop_assert_eq!(&before.patch, &after.patch);
            prop_assert!(after.verdict.findings.iter().all(|finding| !finding.is_waived()), "{:#?}", after.verdict);
        }
    }

    #[test]
    fn the_order_of_exceptions_never_matters(
        world in generate::world(),
        (one, other) in in_force().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        object in generate::object(),
    ) {
        let world = allowing(&world);
        let judged = |exceptions: &[Value]| verdict(&with(&world, exceptions), &object);
        prop_assert_eq!(judged(&one), judged(&other));
    }

    #[test]
    fn what_is_rewritten_with_an_exception_is_allowed_then(
        world in generate::world(),
        exceptions in in_force(),
        object in generate::object(),
    ) {
        let world = with(&allowing(&world), &exceptions);
        rewriting_is_done_at_once(&index(&world).world(), &object)?;
    }

    /// However wide an exception is, what the law of the origin does not let happen does not happen; and nothing happens
    /// beyond what the policy and the exception say.
    #[test]
    fn with_an_exception_a_pod_can_only_run_where_policy_or_exception_and_the_law_let_it(
        nodes in generate::nodes(),
        origins in generate::origins(),
        exceptions in in_force(),
        pod in generate::pod(),
    ) {
        let mut manifests = generate::places();
        manifests.extend(nodes.iter().cloned());
        manifests.push(generate::namespace(Some(&origins)));
        let home = json!({"apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "m"},
            "spec": {"residence": {"Process": ["Origin"]}, "exceptions": {"allowed": true}}});
        manifests.push(home);
        let index = index(&with(&manifests, &exceptions));
        let judgement = judge(&index.world(), &pod);
        if judgement.verdict.action == Action::Refuse {
            return Ok(());
        }
        let to: CountrySet = exceptions
            .iter()
            .flat_map(|one| one["spec"]["scope"]["to"].as_array().unwrap())
            .map(|code| Country::parse(code.as_str().unwrap()).unwrap())
            .collect();
        let lawful = allowed(&index.world(), &origins, false);
        let let_be = allowed(&index.world(), &origins, true).union(&to);
        // A place that is not proven may be let pass as such; then nobody has pinned the pod.
        let unproven = judgement.verdict.findings.iter().any(|finding| finding.unproven);
        let pod = patched(&pod, &judgement);
        for (node, country) in as_kept(&index, &nodes) {
            if !unproven && scheduler::accepts(&node, &pod) {
                prop_assert!(
                    country.is_some_and(|country| lawful.contains(country) && let_be.contains(country)),
                    "{:?} in {country:?} is accepted for {pod}",
                    node
                );
            }
        }
    }
}

#[test]
fn without_guards_of_approvals_no_exception_is_heard() {
    let mut cases = crate::cases::all().into_iter();
    let case = cases.find(|case| case.name == "an-approved-exception-lets-a-pod-be-where-it-says").unwrap();
    for (mut index, wanted) in [
        (Index::new(crate::builtin()), Action::Allow),
        (Index::new(crate::builtin()).without_exceptions(), Action::Refuse),
    ] {
        case.apply_world(&mut index);
        let texts = case.texts();
        let judged = interpret::judge(&index.refresh(now()), &case.request(&texts), now()).unwrap();
        assert_eq!(judged.verdict.action, wanted);
    }
}
