//! Runs the steps of a pattern over a name.
//!
//! There is no search: all places that the pattern can have reached are kept as one set of bits,
//! and each step is done once for all of them. So the work is the length of the pattern times the
//! few words of the set, whatever the pattern and the name are.

use super::Step;
use super::char_set::CharSet;
use super::positions::{LONGEST_NAME, Positions};

/// Whether the steps lead from the beginning of the name to its end, and how much work it was:
/// characters looked at and sets combined.
pub(super) fn run(steps: &[Step], name: &str) -> (bool, usize) {
    let mut work = name.len();
    let Some(name) = Name::index(name) else {
        return (false, 0);
    };
    let mut here = Positions::NONE;
    here.insert(0);
    let mut groups = Vec::<Group>::new();
    for step in steps {
        work += 1;
        here = match step {
            Step::One(set) => here.and(&name.places_of(set, &mut work)).next(),
            Step::Star => here.spread(&name.not_slash),
            Step::Globstar { slash_before, slash_behind, may_lack } => {
                let start = if *slash_before { name.over_slash(here) } else { here };
                let far = start.without(&name.dot).spread(&name.not_hidden);
                let there = if *slash_behind { name.over_slash(far).or(&start) } else { far };
                if *may_lack { there.or(&here.and(&name.end)) } else { there }
            }
            Step::NotDot => here.without(&name.dot),
            Step::NotEnd => here.without(&name.end),
            Step::NotEndOrDot => here.without(&name.end_or_dot),
            Step::Open => {
                groups.push(Group { entered: here, left: Positions::NONE });
                here
            }
            Step::Or => groups.last_mut().map_or(here, |group| {
                group.left = group.left.or(&here);
                group.entered
            }),
            Step::Close => groups.pop().map_or(here, |group| group.left.or(&here)),
        };
        if here.is_empty() && groups.is_empty() {
            break;
        }
    }
    (!here.and(&name.end).is_empty(), work)
}

/// The alternatives that are being tried.
struct Group {
    entered: Positions,
    left: Positions,
}

/// A name as the steps see it: where is which character.
struct Name {
    places: [Positions; 128],
    /// One bit for each character that occurs at all.
    present: u128,
    characters: Positions,
    end: Positions,
    dot: Positions,
    slash: Positions,
    not_slash: Positions,
    /// The characters that `**` may go over: those that do not lead into a hidden segment.
    not_hidden: Positions,
    /// Where the segment ends, at once or after one dot.
    end_or_dot: Positions,
}

impl Name {
    /// `None` for what is too long or has other characters than ASCII: no pattern means it.
    fn index(text: &str) -> Option<Self> {
        if text.len() > LONGEST_NAME {
            return None;
        }
        let mut places = [Positions::NONE; 128];
        let mut present = 0;
        let mut characters = Positions::NONE;
        for (place, byte) in text.bytes().enumerate() {
            places.get_mut(usize::from(byte))?.insert(place);
            present |= 1 << byte;
            characters.insert(place);
        }
        let [mut start, mut end] = [Positions::NONE; 2];
        start.insert(0);
        end.insert(text.len());

        let of = |byte: u8| places.get(usize::from(byte)).copied().unwrap_or_default();
        let (dot, slash) = (of(b'.'), of(b'/'));
        let into_hidden = slash.and(&dot.previous()).or(&dot.and(&start));
        let segment_end = slash.or(&end);
        let end_or_dot = segment_end.or(&dot.and(&segment_end.previous()));
        Some(Self {
            places,
            present,
            characters,
            end,
            dot,
            slash,
            not_slash: characters.without(&slash),
            not_hidden: characters.without(&into_hidden),
            end_or_dot,
        })
    }

    fn over_slash(&self, here: Positions) -> Positions {
        here.and(&self.slash).next()
    }

    /// Where a character of the set is. Adds up the places of either those that are in the set
    /// or those that are not, whichever are fewer.
    fn places_of(&self, set: &CharSet, work: &mut usize) -> Positions {
        let (listed, others) = (self.present & set.listed, self.present & !set.listed);
        let swapped = listed.count_ones() > others.count_ones();
        let mut bits = if swapped { others } else { listed };
        let mut places = Positions::NONE;
        while let Some(here) = self.places.get(bits.trailing_zeros() as usize) {
            places = places.or(here);
            bits &= bits - 1;
            *work += 1;
        }
        if swapped == set.negated { places } else { self.characters.without(&places) }
    }
}
