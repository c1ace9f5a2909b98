//! `resign` and `revoke`.

use lessor::StorageExt;
use lessor::storage::{Acquired, Renewed};
use lessor_servers::asking::{claim, granted, key, renewal};
use lessor_sqlite::rusqlite::Connection;
use serde_json::{Value, json};

use crate::{Place, told, told_with};

#[test]
fn a_leader_is_asked_to_resign() {
    for place in Place::all() {
        let storage = place.storage();
        let (leader, other) = (claim("k", 1), claim("k", 2));
        let term = granted(smol::block_on(storage.acquire(leader.clone())));
        for (of, says) in [("candidate 2", "candidate 1 leads k, not candidate 2"), ("nobody", "nothing was done")] {
            let (text, code) = place.ask(&["resign", "k", "--of", of]);
            assert!(code == 1 && text.contains(says), "{text}");
        }
        let (text, code) = place.ask(&["resign", "k", "--of", "candidate 1"]);
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with("k was taken from candidate 1, who led in term "), "{text}");
        assert!(text.contains(&format!(" {term}: it is free in ")), "{text}");
        smol::block_on(async {
            // Nobody leads beside it, and it hears of it when it renews.
            let refused = storage.acquire(other.clone().after(term.next())).await.unwrap();
            assert!(matches!(refused, Acquired::Refused { .. }), "{refused:?}");
            let renewed = storage.renew(renewal(&leader, term)).await.unwrap();
            assert!(matches!(renewed, Renewed::Lost { .. }), "{renewed:?}");
        });
        let (text, code) = place.ask(&["resign", "k", "--of", "candidate 1"]);
        assert!(code == 1 && text.contains("nobody leads k"), "{text}");
        // It is held back for the leader that may not have heard; by force it is free.
        assert_eq!(place.ask(&["revoke", "k", "--yes"]).1, 0);
        let newest = smol::block_on(storage.get(&key("k"))).unwrap().unwrap().term;
        let next = granted(smol::block_on(storage.acquire(other.after(Some(newest)))));
        assert!(next > newest, "{next}");
    }
}

#[test]
fn a_key_is_taken_by_force() {
    for place in Place::all() {
        let storage = place.storage();
        let term = granted(smol::block_on(storage.acquire(claim("k", 1))));
        let (this, next) = (term.to_string(), (term.get() + 1).to_string());
        for (arguments, says, expected) in [
            (vec!["revoke", "k"], "nobody can be asked here: --yes says that it is meant", 120),
            (vec!["revoke", "k", "--yes", "--term", &next], " not in", 1),
            (vec!["revoke", "k", "--yes", "--term", "0"], "allowed is 1 to 9007199254740991", 120),
            (vec!["revoke", "never", "--yes"], "nobody leads never", 1),
        ] {
            let (text, code) = place.ask(&arguments);
            assert!(code == expected && text.contains(says), "{arguments:?}: {code} {text}");
        }
        // A pipe is nobody, whatever comes through it.
        let (text, code) = told_with(place.command(&["revoke", "k"]), "yes\n");
        assert_eq!(code, 120, "{text}");
        let taken = place.json(&["revoke", "k", "--yes", "--term", &this]);
        let summary = (&taken["key"], &taken["term"], &taken["lease"]["id"], &taken["lease"]["term"]);
        assert_eq!(summary, (&json!("k"), &json!(term.get() + 1), &json!("candidate 1"), &json!(term)));
        let third = granted(smol::block_on(storage.acquire(claim("k", 2).after(term.next()))));
        assert!(third.get() >= term.get() + 2, "{third}");
    }
}

/// What is seen after it may be another's term already, or nothing: it was taken all the same.
#[test]
fn what_was_taken_is_said_whatever_comes_then() {
    for (then, says) in [
        // Another is granted it at once.
        ("session = randomblob(16), id = 'another', term = term + 1, expires = expires + 60000", ""),
        // And has given it up again.
        ("term = term + 2", ""),
        // The storage fails.
        ("term = -1", "k was taken; in which term it is now cannot be seen: the storage fails: "),
    ] {
        let place = Place::sqlite();
        let storage = place.storage();
        for command in [&["revoke", "k", "--yes"][..], &["resign", "k", "--of", "candidate 1"]] {
            let after = smol::block_on(storage.get(&key("k"))).unwrap().map(|lease| lease.term);
            let term = granted(smol::block_on(storage.acquire(claim("k", 1).after(after))));
            let file = Connection::open(&place.url).unwrap();
            let others = format!(
                "CREATE TRIGGER others AFTER UPDATE ON lessor_leases BEGIN UPDATE lessor_leases SET {then}; END"
            );
            file.execute_batch(&others).unwrap();
            let output = place.command(&[command, &["--output", "json"]].concat()).output().unwrap();
            file.execute_batch("DROP TRIGGER others; DELETE FROM lessor_leases").unwrap();
            let (text, code) = told(&output);
            assert_eq!(code, 0, "{text}");
            assert!(text.contains(says), "{text}");
            let taken: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&taken["term"], &taken["lease"]["term"]), (&json!(null), &json!(term)), "{then}: {text}");
        }
    }
}
