//! Runs the steps of a pattern over a name.
//!
//! There is no search: all places that the pattern can have reached are kept as one set of bits,
//! and each step is done once for all of them. So the work is the length of the pattern times the
//! few words of the set, whatever the pattern and the name are.

use super::Step;
use super::char_set::CharSet;
use super::parse::{self, Steps};
use super::positions::{LONGEST_NAME, MOST_WORDS, Positions, words};

/// Whether the steps of the pattern lead from the beginning of the name to its end, and how much
/// work it was: characters looked at and sets combined.
pub(super) fn run(pattern: &str, name: &str) -> (bool, usize) {
    match words(name.len()) {
        1 => run_in::<1>(pattern, name),
        _ => run_in::<MOST_WORDS>(pattern, name),
    }
}

fn run_in<const WORDS: usize>(pattern: &str, name: &str) -> (bool, usize) {
    // What is too long or has other characters than ASCII no pattern means.
    if name.len() > LONGEST_NAME || !name.is_ascii() {
        return (false, 0);
    }
    let mut run = Run::<WORDS> {
        name: name.as_bytes(),
        places: None,
        here: Positions::NONE,
        groups: Vec::new(),
        work: name.len(),
    };
    run.here.insert(0);
    parse::read(pattern, &mut run);
    let mut end = Positions::NONE;
    end.insert(name.len());
    (!run.here.and(&end).is_empty(), run.work)
}

struct Run<'a, const WORDS: usize> {
    name: &'a [u8],
    /// Made when they are needed: up to the first star there is but one place, and one character
    /// to look at.
    places: Option<Places<WORDS>>,
    here: Positions<WORDS>,
    groups: Vec<Group<WORDS>>,
    work: usize,
}

impl<const WORDS: usize> Steps for Run<'_, WORDS> {
    fn step(&mut self, step: Step) {
        self.work += 1;
        self.here = match (step, self.here.single()) {
            (Step::Open | Step::Or | Step::Close, _) => self.group(step),
            (Step::Literal(byte), Some(place)) => self.over(|next| next == byte, place),
            (Step::One(set), Some(place)) => self.over(|next| set.has(next), place),
            (step, _) => {
                let places = self.places.get_or_insert_with(|| Places::of(self.name));
                places.after(step, self.here, &mut self.work)
            }
        };
    }

    fn is_done(&self) -> bool {
        self.here.is_empty() && self.groups.is_empty()
    }
}

impl<const WORDS: usize> Run<'_, WORDS> {
    /// Over the one character at the one place.
    fn over(&self, is_meant: impl Fn(u8) -> bool, place: usize) -> Positions<WORDS> {
        match self.name.get(place) {
            Some(&next) if is_meant(next) => self.here.next(),
            _ => Positions::NONE,
        }
    }

    fn group(&mut self, step: Step) -> Positions<WORDS> {
        let (here, groups) = (self.here, &mut self.groups);
        match step {
            Step::Or => groups.last_mut().map_or(here, |group| {
                group.left = group.left.or(&here);
                group.entered
            }),
            Step::Close => groups.pop().map_or(here, |group| group.left.or(&here)),
            _ => {
                groups.push(Group { entered: here, left: Positions::NONE });
                here
            }
        }
    }
}

/// The alternatives that are being tried.
struct Group<const WORDS: usize> {
    entered: Positions<WORDS>,
    left: Positions<WORDS>,
}

/// A name as the steps see it: where is which character.
struct Places<const WORDS: usize> {
    of: [Positions<WORDS>; 128],
    /// One bit for each character that occurs at all.
    present: u128,
    characters: Positions<WORDS>,
    end: Positions<WORDS>,
    dot: Positions<WORDS>,
    slash: Positions<WORDS>,
    not_slash: Positions<WORDS>,
    /// The characters that `**` may go over: those that do not lead into a hidden segment.
    not_hidden: Positions<WORDS>,
    /// Where the segment ends, at once or after one dot.
    end_or_dot: Positions<WORDS>,
}

impl<const WORDS: usize> Places<WORDS> {
    /// Of a name in ASCII.
    fn of(name: &[u8]) -> Self {
        let mut of = [Positions::NONE; 128];
        let mut present = 0;
        let mut characters = Positions::NONE;
        for (place, &byte) in name.iter().enumerate() {
            if let Some(places) = of.get_mut(usize::from(byte)) {
                places.insert(place);
            }
            present |= 1 << byte;
            characters.insert(place);
        }
        let [mut start, mut end] = [Positions::NONE; 2];
        start.insert(0);
        end.insert(name.len());

        let one = |byte: u8| of.get(usize::from(byte)).copied().unwrap_or(Positions::NONE);
        let (dot, slash) = (one(b'.'), one(b'/'));
        let into_hidden = slash.and(&dot.previous()).or(&dot.and(&start));
        let segment_end = slash.or(&end);
        let end_or_dot = segment_end.or(&dot.and(&segment_end.previous()));
        Self {
            of,
            present,
            characters,
            end,
            dot,
            slash,
            not_slash: characters.without(&slash),
            not_hidden: characters.without(&into_hidden),
            end_or_dot,
        }
    }

    /// Where one is after a step from all of `here`, other than into braces or out of them.
    fn after(&self, step: Step, here: Positions<WORDS>, work: &mut usize) -> Positions<WORDS> {
        match step {
            Step::Literal(byte) => here.and(&self.of_set(&CharSet::of(byte), work)).next(),
            Step::One(set) => here.and(&self.of_set(&set, work)).next(),
            Step::Star => here.spread(&self.not_slash),
            Step::Globstar { slash_before, slash_behind, may_lack } => {
                let start = if slash_before { self.over_slash(here) } else { here };
                let far = start.without(&self.dot).spread(&self.not_hidden);
                let there = if slash_behind { self.over_slash(far).or(&start) } else { far };
                if may_lack { there.or(&here.and(&self.end)) } else { there }
            }
            Step::NotDot => here.without(&self.dot),
            Step::NotEnd => here.without(&self.end),
            Step::NotEndOrDot => here.without(&self.end_or_dot),
            Step::Open | Step::Or | Step::Close => here,
        }
    }

    fn over_slash(&self, here: Positions<WORDS>) -> Positions<WORDS> {
        here.and(&self.slash).next()
    }

    /// Where a character of the set is. Adds up the places of either those that are in the set
    /// or those that are not, whichever are fewer.
    fn of_set(&self, set: &CharSet, work: &mut usize) -> Positions<WORDS> {
        let (listed, others) = (self.present & set.listed, self.present & !set.listed);
        let swapped = listed.count_ones() > others.count_ones();
        let mut bits = if swapped { others } else { listed };
        let mut places = Positions::NONE;
        while let Some(here) = self.of.get(bits.trailing_zeros() as usize) {
            places = places.or(here);
            bits &= bits - 1;
            *work += 1;
        }
        if swapped == set.negated { places } else { self.characters.without(&places) }
    }
}
