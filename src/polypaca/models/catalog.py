"""The shapes of well-known base models, for costs before anything is downloaded.

Each is a config as on the Hub, with only what differs from Transformers' defaults for its
`model_type` (https://huggingface.co/docs/transformers/model_doc). The models of arXiv 2309.08958
come first, its Table 1 order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def _bloom(hidden: int, layers: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "bloom",
        "vocab_size": 250880,
        "hidden_size": hidden,
        "n_layer": layers,
        "n_head": heads,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
    }


def _pythia(hidden: int, layers: int, heads: int, vocabulary: int = 50304) -> dict[str, Any]:
    return {
        "model_type": "gpt_neox",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 2048,
        "rotary_pct": 0.25,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }


def _qwen3(
    hidden: int, intermediate: int, layers: int, heads: int, *, tied: bool = True
) -> dict[str, Any]:
    return {
        "model_type": "qwen3",
        "vocab_size": 151936,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 32768,
        "rope_theta": 1_000_000,
        "tie_word_embeddings": tied,
        "eos_token_id": 151643,
    }


_LLAMA_7B = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    # arXiv 2211.05100, Table 3
    "bigscience/bloom-560m": _bloom(1024, 24, 16),
    "bigscience/bloom-1b1": _bloom(1536, 24, 16),
    "bigscience/bloom-1b7": _bloom(2048, 24, 16),
    "bigscience/bloom-3b": _bloom(2560, 30, 32),
    "bigscience/bloom-7b1": _bloom(4096, 30, 32),
    # arXiv 2304.01373, Table 1; the vocabulary is padded for the tensor parallelism of each size
    "EleutherAI/pythia-70m-deduped": _pythia(512, 6, 8),
    "EleutherAI/pythia-160m-deduped": _pythia(768, 12, 12),
    "EleutherAI/pythia-410m-deduped": _pythia(1024, 24, 16),
    "EleutherAI/pythia-1b-deduped": _pythia(2048, 16, 8),
    "EleutherAI/pythia-1.4b-deduped": _pythia(2048, 24, 16),
    "EleutherAI/pythia-2.8b-deduped": _pythia(2560, 32, 32),
    "EleutherAI/pythia-6.9b-deduped": _pythia(4096, 32, 32, 50432),
    "EleutherAI/pythia-12b-deduped": _pythia(5120, 36, 40, 50688),
    "huggyllama/llama-7b": _LLAMA_7B,
    "openlm-research/open_llama_7b": _LLAMA_7B,
    # arXiv 2309.10305, Table 3
    "baichuan-inc/Baichuan2-7B-Base": {
        **_LLAMA_7B,
        "model_type": "baichuan",
        "vocab_size": 125696,
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
    },
    # arXiv 2505.09388, Table 1
    "Qwen/Qwen3-0.6B-Base": _qwen3(1024, 3072, 28, 16),
    "Qwen/Qwen3-1.7B-Base": _qwen3(2048, 6144, 28, 16),
    "Qwen/Qwen3-4B-Base": _qwen3(2560, 9728, 36, 32),
    "Qwen/Qwen3-8B-Base": _qwen3(4096, 12288, 36, 32, tied=False),
    "meta-llama/Llama-3.2-1B": {
        "model_type": "llama",
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        "tie_word_embeddings": True,
        "bos_token_id": 128000,
        "eos_token_id": 128001,
    },
    # arXiv 2503.19786, Table 1
    "google/gemma-3-1b-pt": {
        "model_type": "gemma3_text",
        "vocab_size": 262144,
        "hidden_size": 1152,
        "intermediate_size": 6912,
        "num_hidden_layers": 26,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "max_position_embeddings": 32768,
        "sliding_window": 512,
        "rope_theta": 1_000_000,
        "rope_local_base_freq": 10_000,
    },
}
