//! A second matcher, made another way: braces are written out, names are split into segments, and
//! everything else is tried with backtracking. Slow, but short enough to be read beside
//! picomatch's rules.

/// Whether `pattern`, which must be one, matches `name`, which must be the name of a repository.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut segments: Vec<Segment> = pattern.split('/').map(Segment::read).collect();
    segments.dedup_by(|a, b| a.is_globstar && b.is_globstar);
    if matches!(pattern, "*.*" | "**/*.*") {
        let word = &mut segments.last_mut().unwrap().words[0];
        word.insert(word.len() - 1, Token::NotEmpty);
    }
    let names: Vec<&str> = name.split('/').collect();
    segments_match(&segments, &names, false, true)
}

fn segments_match(pattern: &[Segment], names: &[&str], after_star: bool, first: bool) -> bool {
    let Some((segment, behind)) = pattern.split_first() else {
        return names.is_empty();
    };
    if !segment.is_globstar {
        return names.split_first().is_some_and(|(name, rest)| {
            segment.matches(name) && segments_match(behind, rest, segment.ends_with_star, false)
        });
    }
    let visible = names.iter().take_while(|name| !name.starts_with('.')).count();
    if behind.is_empty() {
        let least = usize::from(after_star);
        return visible == names.len() && names.len() >= least;
    }
    let parent = || !first && names.is_empty() && behind.len() == 1 && behind[0].matches("");
    parent() || (0..=visible).any(|skip| segments_match(behind, &names[skip..], false, false))
}

struct Segment {
    is_globstar: bool,
    ends_with_star: bool,
    /// The segment once for each choice of alternatives.
    words: Vec<Vec<Token>>,
}

#[derive(Clone)]
enum Token {
    Literal(char),
    /// The text of a class, or of all characters.
    OneOf(String),
    Star,
    NotHidden,
    NotEmpty,
    /// What is left must be neither nothing nor a dot.
    Longer,
}

impl Segment {
    fn read(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut words = vec![Vec::new()];
        let mut at = 0;
        while at < chars.len() {
            at = item(&chars, at, 0, &mut words);
        }
        let ends_with_star = text.ends_with('*');
        Self { is_globstar: text == "**", ends_with_star, words }
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.words.iter().any(|word| word_matches(word, &name))
    }
}

/// Reads one item and appends it to all words; returns where the next one begins.
fn item(chars: &[char], at: usize, depth: usize, words: &mut Vec<Vec<Token>>) -> usize {
    let first = at == 0;
    let mut add =
        |tokens: &[Token]| words.iter_mut().for_each(|word| word.extend_from_slice(tokens));
    match chars[at] {
        '?' if first => add(&[Token::NotHidden, Token::OneOf("^".into())]),
        '?' => add(&[Token::OneOf("^".into())]),
        '*' if first => add(&[Token::NotHidden, Token::NotEmpty, Token::Star]),
        '*' if chars[at - 1] == '.' && (depth > 0 || at == 1) => add(&[Token::Longer, Token::Star]),
        '*' => add(&[Token::Star]),
        '[' => {
            let end = (at..).find(|&i| chars[i] == ']').unwrap();
            add(&[Token::OneOf(chars[at + 1..end].iter().collect())]);
            return end + 1;
        }
        '{' => return braces(chars, at + 1, depth + 1, words),
        literal => add(&[Token::Literal(literal)]),
    }
    at + 1
}

fn braces(chars: &[char], mut at: usize, depth: usize, words: &mut Vec<Vec<Token>>) -> usize {
    let before = std::mem::take(words);
    let mut alternative = before.clone();
    loop {
        match chars[at] {
            ',' | '}' => {
                words.append(&mut alternative);
                if chars[at] == '}' {
                    return at + 1;
                }
                alternative.clone_from(&before);
                at += 1;
            }
            _ => at = item(chars, at, depth, &mut alternative),
        }
    }
}

fn word_matches(word: &[Token], name: &[char]) -> bool {
    let Some((token, behind)) = word.split_first() else {
        return name.is_empty();
    };
    let one = |is: &dyn Fn(char) -> bool| {
        name.split_first().is_some_and(|(&c, rest)| is(c) && word_matches(behind, rest))
    };
    match token {
        Token::Literal(literal) => one(&|c| c == *literal),
        Token::OneOf(class) => one(&|c| class_has(class, c)),
        Token::Star => (0..=name.len()).any(|skip| word_matches(behind, &name[skip..])),
        Token::NotHidden => name.first() != Some(&'.') && word_matches(behind, name),
        Token::NotEmpty => !name.is_empty() && word_matches(behind, name),
        Token::Longer => !matches!(name, [] | ['.']) && word_matches(behind, name),
    }
}

fn class_has(class: &str, c: char) -> bool {
    let (negated, members) = class.strip_prefix('^').map_or((false, class), |rest| (true, rest));
    let members: Vec<char> = members.chars().collect();
    let mut at = 0;
    let mut found = false;
    while at < members.len() {
        let is_range = members.get(at + 1) == Some(&'-') && at + 2 < members.len();
        let to = if is_range { members[at + 2] } else { members[at] };
        found |= (members[at]..=to).contains(&c);
        at += if is_range { 3 } else { 1 };
    }
    found != negated
}
