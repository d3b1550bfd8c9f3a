//! `cargo xtask bench rbac`: `kici-rbac` against four others that decide the same.

mod allocations;
mod data;
mod rivals;
mod rows;
mod worst;

use kici_bench_stage::{machine, markdown, time};

use crate::rows::{RIVALS, Row};

fn main() {
    println!("## rbac\n\n{}\n", machine());
    let rows = rows::all();
    let heads = ["", "tuned ÷ ours", "ours", "tuned", "naive", "casbin", "cedar"];
    let table: Vec<_> = rows.iter().map(line).collect();
    println!("{}", markdown(&heads, &table));
    println!("{}", rows::NOTES);
    println!("{}\n", allocations::report());
    println!("{}", worst::report());
    let slower: Vec<_> = rows.iter().filter(|row| row.ratio <= 1.0).map(|row| row.name).collect();
    if slower.is_empty() {
        println!("Ours is the fastest in every row.");
    } else {
        println!("Not faster than the tuned one: {}.", slower.join("; "));
    }
}

fn line(row: &Row) -> Vec<String> {
    let mut cells = vec![row.name.to_owned(), format!("**{:.2}**", row.ratio)];
    cells.extend((0..RIVALS).map(|n| row.medians[n].map_or_else(|| "–".to_owned(), time)));
    cells
}
