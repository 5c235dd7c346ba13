use super::*;
use tch::Device;

fn config() -> BertConfig {
    BertConfig {
        hidden_size: 24,
        intermediate_size: 48,
        num_attention_heads: 3,
        num_hidden_layers: 2,
        vocab_size: 50,
        max_position_embeddings: 16,
        ..BertConfig::default()
    }
}

fn both(kinds: Kinds, padded: bool) -> (Tensor, Tensor) {
    tch::manual_seed(5);
    let store = nn::VarStore::new(Device::Cpu);
    let model = reference(&store.root(), &config());
    let second: &[u32] = if padded { &[7, 8] } else { &[7, 8, 9, 10, 11] };
    let (ids, mask) = pad(&[&[1, 2, 3, 4, 49], second], 5).unwrap();
    assert_eq!(mask.is_some(), padded);
    tch::no_grad(|| {
        let numbers = mask.as_ref().map(|mask| mask.to_kind(Kind::Int64));
        let expected = model
            .forward_t(Some(&ids), numbers.as_ref(), None, None, None, None, None, false)
            .unwrap()
            .hidden_state;
        let variables = store.variables();
        let bert = Bert::new(&variables, &config(), kinds).unwrap();
        let words = Tensor::embedding(&variables[WORD_EMBEDDINGS], &ids, -1, false, false);
        let hidden = bert.forward(&words, mask.as_ref()).unwrap();
        (mean_pool(&expected, mask.as_ref()).unwrap(), mean_pool(&hidden, mask.as_ref()).unwrap())
    })
}

#[test]
fn the_inner_layer_is_that_of_rust_bert_too() {
    assert_eq!([1, 2, 3, 6, 12].map(inner_layer), [0, 0, 1, 3, 7]);
    tch::manual_seed(5);
    let config = BertConfig { num_hidden_layers: 3, output_hidden_states: Some(true), ..config() };
    let store = nn::VarStore::new(Device::Cpu);
    let model = reference(&store.root(), &config);
    let (ids, _) = pad(&[&[1, 2, 3, 4, 49]], 5).unwrap();
    let (expected, last, actual) = tch::no_grad(|| {
        let output = model.forward_t(Some(&ids), None, None, None, None, None, None, false).unwrap();
        let variables = store.variables();
        let bert = Bert::new(&variables, &config, Kinds::F32).unwrap();
        let words = Tensor::embedding(&variables[WORD_EMBEDDINGS], &ids, -1, false, false);
        let (_, inner) = bert.encode_through(&bert.embed(&words).unwrap(), None).unwrap();
        (output.all_hidden_states.unwrap().swap_remove(1), output.hidden_state, inner)
    });
    assert!((&expected - &actual).abs().max().double_value(&[]) < 1e-5);
    assert!((last - actual).abs().max().double_value(&[]) > 0.1, "it is not the last layer");
}

fn distance(kinds: Kinds, padded: bool) -> f64 {
    let (expected, actual) = both(kinds, padded);
    assert!(expected.abs().max().double_value(&[]) > 0.1, "the outputs say something");
    (expected - actual).abs().max().double_value(&[])
}

#[test]
fn equals_rust_bert_in_single_precision() {
    assert!(distance(Kinds::F32, false) < 1e-5);
    assert!(distance(Kinds::F32, true) < 1e-5);
}

#[test]
fn stays_near_rust_bert_in_lower_precision() {
    for kinds in [Kinds::MIXED, Kinds::BF16] {
        assert!(distance(kinds, false) < 0.05);
        assert!(distance(kinds, true) < 0.05);
    }
}

#[test]
fn normalised_vectors_have_length_one() {
    let vectors = normalise(&Tensor::from_slice(&[3.0f32, 4.0, 0.0, 0.0]).view([2, 2])).unwrap();
    assert_eq!(Vec::<f32>::try_from(vectors.view(-1)).unwrap(), [0.6, 0.8, 0.0, 0.0]);
}

#[test]
fn a_missing_variable_is_named() {
    let error = Bert::new(&HashMap::new(), &config(), Kinds::F32).err().unwrap();
    assert!(error.to_string().contains("encoder.layer.0.attention.self.query.weight"), "{error}");
}
