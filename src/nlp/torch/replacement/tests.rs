use serde_json::json;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::whitespace::Whitespace;
use tokenizers::processors::bert::BertProcessing;

use super::*;
use crate::config;
use crate::nlp::scripted;

const WORDS: [&str; 10] = ["<pad0>", "<pad1>", "<cls>", "<sep>", "<unk>", "a", "b", "c", "d", "e"];

/// Enough of `config.json` for every family at once, with three labels.
const CONFIG: &str = r#"{
    "id2label": { "0": "negative", "1": "neutral", "2": "positive" },
    "max_position_embeddings": 66, "type_vocab_size": 2, "initializer_range": 0.02,
    "hidden_size": 8, "dim": 8, "d_model": 8, "embedding_size": 8, "intra_bottleneck_size": 8, "pooler_hidden_size": 8,
    "num_hidden_layers": 2, "n_layers": 2, "n_layer": 2, "encoder_layers": 1, "decoder_layers": 1,
    "num_attention_heads": 2, "n_heads": 2, "n_head": 2, "d_head": 4,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "intermediate_size": 16, "hidden_dim": 16, "d_inner": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
    "hidden_act": "gelu", "activation": "gelu", "ff_activation": "gelu", "activation_function": "gelu",
    "pooler_hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "attention_dropout": 0.1, "dropout": 0.1,
    "qa_dropout": 0.1, "seq_classif_dropout": 0.1, "activation_dropout": 0.1, "classifier_dropout": 0.1,
    "pooler_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "summary_last_dropout": 0.1,
    "sinusoidal_pos_embds": false, "tie_weights_": true, "relative_attention": true, "max_relative_positions": -1,
    "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": true, "position_biased_input": false,
    "pos_att_type": "p2c|c2p", "conv_kernel_size": 3, "conv_act": "gelu", "layer_norm_eps": 1e-7,
    "inner_group_num": 1, "num_hidden_groups": 1, "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3,
    "pad_token_id": 1, "decoder_start_token_id": 3, "init_std": 0.02,
    "untie_r": true, "attn_type": "bi", "bi_data": false, "same_length": false, "clamp_len": -1,
    "summary_type": "last", "summary_use_proj": true, "summary_activation": "tanh",
    "trigram_input": true, "use_bottleneck": true, "num_feedforward_networks": 2, "normalization_type": "no_norm",
    "attention_window": 8
}"#;

fn config(model_type: &str) -> Value {
    let mut config: Value = serde_json::from_str(CONFIG).unwrap();
    config["model_type"] = json!(model_type);
    config["vocab_size"] = json!(WORDS.len());
    config
}

fn write_tokenizer(path: &Path) {
    let vocabulary = WORDS.iter().zip(0u32..).map(|(word, id)| ((*word).to_owned(), id)).collect();
    let words = WordLevel::builder().vocab(vocabulary).unk_token("<unk>".to_owned()).build().unwrap();
    let mut tokenizer = Tokenizer::new(words);
    tokenizer.with_pre_tokenizer(Some(Whitespace {}));
    tokenizer
        .with_post_processor(Some(BertProcessing::new(("<sep>".to_owned(), 3), ("<cls>".to_owned(), 2))));
    tokenizer.save(path, false).unwrap();
}

/// A checkpoint with weights drawn at random.
fn checkpoint(config: &Value) -> (tempfile::TempDir, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    write_tokenizer(&dir.path().join("tokenizer.json"));
    // Only there to be found; the weights need the checkpoint's own family first.
    let weights = dir.path().join("model.safetensors");
    std::fs::write(&weights, "").unwrap();
    let checkpoint = open(dir.path());
    let store = nn::VarStore::new(Device::Cpu);
    model(checkpoint.family, &store.root(), &checkpoint.config).unwrap();
    tch::no_grad(|| {
        for mut variable in store.variables().into_values() {
            let _ = variable.normal_(0.0, 0.5);
        }
    });
    store.save(&weights).unwrap();
    (dir, checkpoint)
}

/// The same for that architecture.
pub(in crate::nlp::torch) fn random(model_type: &str) -> (tempfile::TempDir, Checkpoint) {
    checkpoint(&config(model_type))
}

fn open(folder: &Path) -> Checkpoint {
    let settings = config::Replacement {
        checkpoint: folder.display().to_string(),
        labels: BTreeMap::new(),
        temperature: 1.0,
        threshold: None,
        secondary_threshold: None,
    };
    Checkpoint::open(Head::Sentiment, &settings, &scripted::manifest()).unwrap()
}

fn logits(replacement: &Replacement, texts: &[&str]) -> Vec<Vec<f32>> {
    replacement.logits(texts).into_iter().map(|logits| logits.unwrap()).collect()
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
}

/// Every family loads from a checkpoint, and a text's answer does not depend on what it is read together with.
fn family(model_type: &str) {
    let (_dir, checkpoint) = checkpoint(&config(model_type));
    let replacement = Replacement::load(&checkpoint, 2_048).unwrap();
    let texts = ["a b c", "a b d", "e", "c c c c c c c c c c c c", "a b c d e a b c d e"];
    let together = logits(&replacement, &texts);
    assert_eq!(together.len(), texts.len());
    for (text, together) in texts.iter().zip(&together) {
        let alone = logits(&replacement, &[text]).remove(0);
        assert!(near(&alone, together), "{model_type}, {text:?}: {alone:?} alone, {together:?} in company");
        assert_eq!(alone.len(), 3);
    }
    assert!(!near(&together[0], &together[1]), "{model_type}: the text makes no difference");
}

macro_rules! families {
    ($($name:ident $model_type:literal),+ $(,)?) => {
        $(#[test] fn $name() { family($model_type); })+
    };
}

families! {
    bert "bert", distilbert "distilbert", roberta "roberta", xlm_roberta "xlm-roberta", camembert "camembert",
    deberta "deberta", deberta_v2 "deberta-v2", albert "albert", mobilebert "mobilebert", longformer "longformer",
    xlnet "xlnet", bart "bart", fnet "fnet",
}

#[test]
fn a_long_text_is_read_in_parts() {
    let (_dir, checkpoint) = checkpoint(&config("bert"));
    let replacement = Replacement::load(&checkpoint, 2_048).unwrap();
    // 66 positions, two of them special.
    let sentence = format!("A{}. ", " b c d".repeat(13));
    let parts: Vec<String> = replacement
        .pieces(0, &sentence.repeat(4))
        .unwrap()
        .iter()
        .map(|piece| format!("{}:{}-{}", piece.ids.len(), piece.ids[0], piece.ids[piece.ids.len() - 1]))
        .collect();
    assert_eq!(parts, ["43:2-3", "43:2-3", "43:2-3", "43:2-3"], "cut at sentence ends, with special tokens");
    let one = logits(&replacement, &[&sentence]).remove(0);
    let four = logits(&replacement, &[&sentence.repeat(4)]).remove(0);
    assert!(near(&one, &four), "four like parts say what one says: {one:?}, {four:?}");
}

#[test]
fn nothing_to_read_says_nothing() {
    let (_dir, checkpoint) = checkpoint(&config("bert"));
    let replacement = Replacement::load(&checkpoint, 2_048).unwrap();
    assert_eq!(logits(&replacement, &["", " "]), [[0.0; 3]; 2]);
    assert!(replacement.logits(&[]).is_empty());
}

fn refused(change: impl FnOnce(&Path)) -> String {
    let (dir, _) = checkpoint(&config("bert"));
    change(dir.path());
    match Replacement::load(&open(dir.path()), 2_048) {
        Ok(_) => panic!("it loads"),
        Err(fault) => fault.to_string(),
    }
}

fn change_config(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

fn change_weights(folder: &Path, change: impl FnOnce(&mut Vec<(String, Tensor)>)) {
    let path = folder.join("model.safetensors");
    let mut weights = Tensor::read_safetensors(&path).unwrap();
    change(&mut weights);
    Tensor::write_safetensors(&weights, path).unwrap();
}

#[test]
fn each_fault_says_what() {
    let check = |expected: &[&str], change: fn(&Path)| {
        let fault = refused(change);
        for part in expected {
            assert!(fault.contains(part), "{part:?} is not in: {fault}");
        }
    };
    check(&["2 labels", "are for 3", "id2label"], |folder| {
        change_config(folder, |config| config["id2label"] = json!({ "0": "negative", "1": "positive" }));
    });
    check(&["do not fit", "lack", "classifier.bias", "classifier.weight"], |folder| {
        change_weights(folder, |weights| weights.retain(|(name, _)| !name.starts_with("classifier")));
    });
    check(&["do not fit", "intermediate.dense", "[16"], |folder| {
        change_config(folder, |config| config["intermediate_size"] = json!(12));
    });
    check(&["do not fit"], |folder| change_config(folder, |config| config["num_attention_heads"] = json!(3)));
    check(&["config.json is not valid", "hidden_size"], |folder| {
        change_config(folder, |config| drop(config.as_object_mut().unwrap().remove("hidden_size")));
    });
    check(&["model.safetensors is not valid"], |folder| {
        std::fs::write(folder.join("model.safetensors"), "no weights").unwrap();
    });
    check(&["tokenizer.json is not valid"], |folder| {
        std::fs::write(folder.join("tokenizer.json"), "{}").unwrap();
    });
    check(&["token id 9", "only 9 tokens"], |folder| {
        change_config(folder, |config| config["vocab_size"] = json!(9));
    });
    check(&["at most 20 tokens"], |folder| {
        change_config(folder, |config| config["max_position_embeddings"] = json!(20));
    });
}

#[test]
fn old_names_half_precision_and_libtorch_files_are_read() {
    let (dir, checkpoint) = checkpoint(&config("bert"));
    let expected = logits(&Replacement::load(&checkpoint, 2_048).unwrap(), &["a b c"]).remove(0);
    change_weights(dir.path(), |weights| {
        for (name, _) in weights.iter_mut() {
            *name = name
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta");
        }
        weights.push(("cls.predictions.bias".to_owned(), Tensor::zeros([3], (Kind::Float, Device::Cpu))));
    });
    let renamed = logits(&Replacement::load(&checkpoint, 2_048).unwrap(), &["a b c"]).remove(0);
    assert_eq!(renamed, expected);

    let path = dir.path().join("model.safetensors");
    let weights = Tensor::read_safetensors(&path).unwrap();
    Tensor::save_multi(&weights, dir.path().join("rust_model.ot")).unwrap();
    std::fs::remove_file(path).unwrap();
    let moved = open(dir.path());
    assert!(moved.weights.ends_with("rust_model.ot"));
    assert_eq!(logits(&Replacement::load(&moved, 2_048).unwrap(), &["a b c"]).remove(0), expected);

    std::fs::remove_file(&moved.weights).unwrap();
    let halves: Vec<(String, Tensor)> =
        weights.into_iter().map(|(name, tensor)| (name, tensor.to_kind(Kind::Half))).collect();
    Tensor::write_safetensors(&halves, dir.path().join("model.safetensors")).unwrap();
    let half = logits(&Replacement::load(&open(dir.path()), 2_048).unwrap(), &["a b c"]).remove(0);
    for (half, whole) in half.iter().zip(&expected) {
        assert!((half - whole).abs() < 0.05, "{half} and {whole}");
    }
}
