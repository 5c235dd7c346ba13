use super::linear::dot;
use super::*;

const SIZE: usize = 24;

/// Numbers near a bell curve, from the seed.
fn noise(random: &mut Shuffle) -> f32 {
    (0..6).map(|_| (random.next_bits() >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>() - 3.0
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt() as f32;
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

/// A text near axis `class`, as sentence vectors are: a common part, the intent's own, noise.
fn near(class: usize, spread: f32, random: &mut Shuffle) -> Vec<f32> {
    let mut vector: Vec<f32> = (0..SIZE).map(|_| 0.3 + spread * noise(random)).collect();
    vector[class] += 2.0;
    unit(vector)
}

struct Set {
    labels: Vec<String>,
    vectors: Matrix,
    classes: Vec<Option<usize>>,
}

fn set(classes: usize, each: usize, spread: f32, outside: usize) -> Set {
    let mut random = Shuffle::new(7);
    let mut rows = Vec::new();
    let mut of = Vec::new();
    for class in 0..classes {
        for _ in 0..each {
            rows.push(near(class, spread, &mut random));
            of.push(Some(class));
        }
    }
    for at in 0..outside {
        rows.push(near(classes + at % (SIZE - classes), spread, &mut random));
        of.push(None);
    }
    Set {
        labels: (0..classes).map(|class| format!("intent.{class}")).collect(),
        vectors: Matrix::from_rows(SIZE, rows.iter().map(Vec::as_slice)),
        classes: of,
    }
}

fn fitted(set: &Set) -> Outcome {
    fitted_against(set, &Matrix::zeros(0, SIZE))
}

fn fitted_against(set: &Set, background: &Matrix) -> Outcome {
    let task = Task {
        labels: &set.labels,
        vectors: &set.vectors,
        classes: &set.classes,
        background,
        texts: &[],
        background_texts: &[],
        pack: "p",
        seed: 1,
    };
    fit_intents(task, &mut |_, _| {}).unwrap()
}

/// Share of new texts of the classes that get their own intent first.
fn accuracy(intents: &CustomIntents, classes: std::ops::Range<usize>, spread: f32) -> f64 {
    let mut random = Shuffle::new(99);
    let mut right = 0;
    for class in classes.clone() {
        for _ in 0..40 {
            let answer = intents.answer(&near(class, spread, &mut random), "");
            right += usize::from(
                answer.intents.first().is_some_and(|(name, _)| *name == format!("intent.{class}")),
            );
        }
    }
    share(right, classes.len() * 40)
}

fn abstained(intents: &CustomIntents, classes: std::ops::Range<usize>, spread: f32) -> f64 {
    let mut random = Shuffle::new(98);
    let texts: Vec<Vec<f32>> = classes
        .flat_map(|class| (0..20).map(|_| class).collect::<Vec<_>>())
        .map(|class| near(class, spread, &mut random))
        .collect();
    share(texts.iter().filter(|text| intents.answer(text, "").intents.is_empty()).count(), texts.len())
}

#[test]
fn intents_apart_are_told_apart_and_the_rest_is_left_alone() {
    for (each, outside) in [(5, 0), (40, 0), (40, 30)] {
        let outcome = fitted(&set(8, each, 0.25, outside));
        let (right, left) =
            (accuracy(&outcome.intents, 0..8, 0.25), abstained(&outcome.intents, 12..20, 0.25));
        assert!(right > 0.9 && left > 0.8, "{each} examples, {outside} outside: {right} {left}");
        let figures = &outcome.intents.manifest.figures;
        assert_eq!((figures.examples, figures.outside_examples), (8 * each, outside));
        assert_eq!(figures.outside_rejected.is_some(), outside > 0);
        assert!((figures.accuracy - right).abs() < 0.1, "{figures:?}");
    }
}

#[test]
fn generic_texts_make_few_intents_refuse_the_rest() {
    let mut random = Shuffle::new(3);
    // Every axis has some, those of the intents too: these must not stand against them.
    let texts: Vec<Vec<f32>> = (0..96).map(|at| near(at % SIZE, 0.3, &mut random)).collect();
    let background = Matrix::from_rows(SIZE, texts.iter().map(Vec::as_slice));
    let set = set(4, 6, 0.3, 0);
    let outcome = fitted_against(&set, &background);
    let figures = &outcome.intents.manifest.figures;
    assert!((70..=84).contains(&figures.generic_texts), "of 96, 16 are of the intents: {figures:?}");
    assert!(figures.generic_rejected > Some(0.9), "{figures:?}");
    let (right, left) = (accuracy(&outcome.intents, 0..4, 0.3), abstained(&outcome.intents, 4..24, 0.3));
    assert!(right > 0.9 && left > 0.9, "{right} {left}");
}

#[test]
fn what_is_outside_counts_about_as_one_or_two_intents() {
    assert_eq!(outside_weights(24, 4, 0, 240), vec![12.0 / 240.0; 240]);
    assert_eq!(outside_weights(400, 40, 2, 4), [1.0; 6]);
    assert_eq!(outside_weights(400, 40, 0, 100), [0.1; 100]);
    assert_eq!(outside_weights(10, 2, 20, 0), [0.5; 20]);
}

#[test]
fn the_same_examples_give_the_same_fit() {
    let set = set(4, 6, 0.4, 3);
    assert_eq!(fitted(&set), fitted(&set));
}

#[test]
fn two_intents_of_two_examples_are_enough() {
    let outcome = fitted(&set(2, 2, 0.1, 0));
    assert!(accuracy(&outcome.intents, 0..2, 0.1) > 0.7);
    assert_eq!(outcome.confusions, []);
}

#[test]
fn identical_examples_do_not_break_it() {
    let mut set = set(3, 4, 0.2, 0);
    for at in 0..4 {
        let first = set.vectors.row(0).to_vec();
        set.vectors.row_mut(at).copy_from_slice(&first);
    }
    let answer = fitted(&set).intents.answer(set.vectors.row(0), "");
    assert_eq!(answer.intents.first().map(|(name, _)| name.as_str()), Some("intent.0"));
}

#[test]
fn confidence_is_as_high_as_the_share_that_is_right() {
    let spread = 0.9;
    let outcome = fitted(&set(6, 60, spread, 0));
    let mut random = Shuffle::new(5);
    let (mut right, mut sure, mut answers) = (0, 0.0, 0);
    for class in 0..6 {
        for _ in 0..100 {
            if let Some((name, confidence)) =
                outcome.intents.answer(&near(class, spread, &mut random), "").intents.first()
            {
                answers += 1;
                right += usize::from(*name == format!("intent.{class}"));
                sure += f64::from(*confidence);
            }
        }
    }
    let (right, sure) = (share(right, answers), sure / answers as f64);
    assert!(right < 0.97 && (right - sure).abs() < 0.06, "right {right}, said {sure}");
}

#[test]
fn what_is_taken_for_what_is_counted() {
    let labels = ["a", "b", "c"].map(String::from);
    let pairs = confusions(&labels, &[0, 0, 0, 1, 2], &[1, 1, 2, 1, 0]);
    let shown: Vec<_> =
        pairs.iter().map(|pair| (pair.label.as_str(), pair.taken_for.as_str(), pair.count)).collect();
    assert_eq!(shown, [("a", "b", 2), ("a", "c", 1), ("c", "a", 1)]);
}

#[test]
fn the_cut_pays_no_more_than_its_price() {
    let right: Vec<f32> = (0..1000).map(|at| 0.2 + at as f32 * 0.0008).collect();
    let far = vec![0.1; 50];
    assert!(cut(right.clone(), &far, Price::TRUE) < 0.2, "all are kept away without a loss");
    let close = vec![0.205; 50];
    let threshold = cut(right.clone(), &close, Price::TRUE);
    assert!(threshold > 0.205 && threshold < 0.217, "worth 2 % at most: {threshold}");
    let inside = vec![0.9; 50];
    assert!(cut(right, &inside, Price::TRUE) < 0.2, "hopeless: nothing is lost for it");
}

#[test]
fn where_vectors_blur_the_words_tell() {
    let set = set(4, 40, 3.0, 0);
    let names = ["aurora", "borea", "cirro", "delta"];
    let told = |class: usize, at: usize| format!("my {} number {} please", names[class], at % 7);
    let texts: Vec<String> =
        set.classes.iter().enumerate().map(|(at, class)| told(class.unwrap(), at)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let background = Matrix::zeros(0, SIZE);
    let task = |texts| Task {
        labels: &set.labels,
        vectors: &set.vectors,
        classes: &set.classes,
        background: &background,
        texts,
        background_texts: &[],
        pack: "p",
        seed: 1,
    };
    let mut seen = Vec::new();
    let with = fit_intents(task(&texts), &mut |done, all| seen.push((done, all))).unwrap().intents;
    assert_eq!(seen.last(), Some(&(2 * FOLDS + 3, 2 * FOLDS + 3)));
    assert!(seen.is_sorted());
    let without = fit_intents(task(&[]), &mut |_, _| {}).unwrap().intents;
    let accuracy = |intents: &CustomIntents| intents.manifest.figures.accuracy;
    assert!(accuracy(&without) < 0.9 && accuracy(&with) > 0.98, "{} {}", accuracy(&without), accuracy(&with));
}

#[test]
fn words_that_tell_nothing_change_little() {
    let set = set(4, 40, 0.6, 0);
    let mut random = Shuffle::new(3);
    let texts: Vec<String> = set
        .classes
        .iter()
        .map(|_| format!("w{} w{}", random.next_bits() % 9, random.next_bits() % 9))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plain = fitted(&set).intents.manifest.figures.accuracy;
    let background = Matrix::zeros(0, SIZE);
    let task = Task {
        labels: &set.labels,
        vectors: &set.vectors,
        classes: &set.classes,
        background: &background,
        texts: &texts,
        background_texts: &[],
        pack: "p",
        seed: 1,
    };
    let with = fit_intents(task, &mut |_, _| {}).unwrap().intents.manifest.figures.accuracy;
    assert!(with > plain - 0.02, "{plain} {with}");
}
