//! Answers that are well-formed and not true.

use bitbucket_simulator::{Action, Fault, JsonEdit, Matches};
use serde_json::{Value, json};

use super::dice::Dice;
use super::troubles::{Trouble, one};
use super::world::World;

fn set(pointer: &str, value: Value) -> JsonEdit {
    JsonEdit::Set(pointer.to_owned(), value)
}

fn remove(pointer: &str) -> JsonEdit {
    JsonEdit::Remove(pointer.to_owned())
}

/// Pages of commits that lack some, end too early or never, or lead to the wrong place.
pub fn pages(dice: &mut Dice, world: &World) -> Trouble {
    let (mut passes, mut invents, mut reasons) = (true, false, &["IncompleteListing"][..]);
    let edits = match dice.below(14) {
        0 => vec![remove(&format!("/values/{}", dice.below(8)))],
        1 => {
            let from = dice.below(3);
            (0..dice.between(1, 8)).map(|_| remove(&format!("/values/{from}"))).collect()
        }
        2 => vec![set("/values", json!([]))],
        3 => vec![set("/values", json!([])), set("/isLastPage", json!(true))],
        4 => vec![set("/isLastPage", json!(true))],
        5 => vec![set("/isLastPage", json!(true)), remove("/nextPageStart")],
        6 => vec![set("/isLastPage", json!(false))],
        7 => vec![remove("/nextPageStart")],
        8 => vec![set("/nextPageStart", json!(dice.one_of(&[0, 1, 3, 20, 60, 2_147_483_647, u64::MAX])))],
        9 => {
            // One commit under another one's id: of the same history, or of none.
            let own = dice.pick(world.living()).and_then(|place| {
                let history = &world.repositories[place].history;
                dice.pick(history.nodes()).and_then(|node| history.id(node).map(str::to_owned))
            });
            invents = true;
            let id = own.filter(|_| !dice.one_in(3)).unwrap_or_else(|| "f".repeat(40));
            vec![set(&format!("/values/{}/id", dice.below(6)), json!(id))]
        }
        10 => {
            (passes, reasons) = (false, &["UnexpectedAnswer"][..]);
            vec![set(&format!("/values/{}/id", dice.below(3)), json!("HEAD"))]
        }
        11 => vec![set("/totalCount", json!(dice.one_of(&[0, 1, 7, 25, u64::MAX])))],
        12 => vec![set("/start", json!(dice.one_of(&[0, 1, 20, u64::MAX])))],
        _ => {
            // The list of another range, as a cache may have it.
            vec![remove("/values/0"), set("/isLastPage", json!(true))]
        }
    };
    let (only, matches) = if dice.one_in(2) {
        let (path, matches) = one(dice, world);
        (Some(path), Matches::All(vec![matches, Matches::PathEndsWith("/commits".to_owned())]))
    } else {
        (None, Matches::PathEndsWith("/commits".to_owned()))
    };
    let times = dice.pick([Some(1), Some(1), Some(2), None]).flatten();
    let fault = Fault::new(Action::EditJson(edits)).matches(matches).after(u32::try_from(dice.below(3)).unwrap());
    // What is wrong once is read again in the same run.
    passes &= times == Some(1);
    Trouble { passes, only, reasons, lies: true, invents, ..Trouble::new(Fault { times, ..fault }) }
}

/// A head that is old, unknown or none.
pub fn head(dice: &mut Dice, world: &mut World) -> Trouble {
    let (path, matches) = one(dice, world);
    let matches = Matches::All(vec![matches, Matches::PathEndsWith("/branches/default".to_owned())]);
    let mut head = None;
    let value = match dice.below(6) {
        0 => json!(null),
        1 => json!(""),
        5 => json!("HEAD"),
        2 => json!("e".repeat(40)),
        _ => {
            let place = world.living().into_iter().find(|place| world.path(&world.repositories[*place]) == path);
            let stale = place.and_then(|place| {
                let repository = &mut world.repositories[place];
                let ids = repository.history.nodes().filter_map(|node| repository.history.id(node));
                let ids: Vec<String> = ids.filter(|id| repository.history.has(id)).map(str::to_owned).collect();
                let id = dice.pick(ids)?;
                repository.history.learn(&id);
                Some((repository.id, id))
            });
            head.clone_from(&stale);
            json!(stale.map_or("e".repeat(40), |(_, id)| id))
        }
    };
    let times = dice.pick([Some(1), Some(2), None]).flatten();
    let fault = Fault::new(Action::EditJson(vec![set("/latestCommit", value)])).matches(matches);
    let fault = Fault { times, ..fault.after(u32::try_from(dice.below(2)).unwrap()) };
    Trouble { only: Some(path), reasons: &["IncompleteListing", "UnexpectedAnswer"], head, ..Trouble::new(fault) }
}

/// A list of repositories that is short, empty or without end.
pub fn listing(dice: &mut Dice) -> Trouble {
    let (edits, ends) = match dice.below(6) {
        0 | 1 => (vec![remove(&format!("/values/{}", dice.below(4)))], &[][..]),
        2 => (vec![set("/values", json!([])), set("/isLastPage", json!(true))], &[][..]),
        3 => (vec![set("/isLastPage", json!(true))], &[][..]),
        4 => (vec![set("/isLastPage", json!(false)), remove("/nextPageStart")], &["Listing"][..]),
        _ => (vec![set("/nextPageStart", json!(dice.one_of(&[0, 2, 1000])))], &["Listing"][..]),
    };
    let fault = Fault::new(Action::EditJson(edits)).matches(Matches::PathEndsWith("/1.0/repos".to_owned()));
    let times = dice.pick([Some(1), None]).flatten();
    Trouble { unlists: true, ends, ..Trouble::new(Fault { times, ..fault }) }
}
