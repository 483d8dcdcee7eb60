"""Other spellings of the models in ``models.csv``: publishers' repositories of the same shape.

A base model and its instruction-tuned sibling have one shape, so one entry. Versions whose shape differs
(Mistral-7B v0.1 slides its window and has another vocabulary) are not listed.
"""

from __future__ import annotations

from typing import Final

MODEL_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "Llama-2-7B": ("meta-llama/Llama-2-7b-chat-hf", "Llama-2-7b-chat"),
    "Llama-2-13B": ("meta-llama/Llama-2-13b-chat-hf", "Llama-2-13b-chat"),
    "Llama-2-70B": ("meta-llama/Llama-2-70b-chat-hf", "Llama-2-70b-chat"),
    "Llama-3-8B": ("meta-llama/Meta-Llama-3-8B-Instruct", "Meta-Llama-3-8B", "Llama-3-8B-Instruct"),
    "Llama-3-70B": ("meta-llama/Meta-Llama-3-70B-Instruct", "Meta-Llama-3-70B", "Llama-3-70B-Instruct"),
    "Llama-3.1-8B": (
        "meta-llama/Llama-3.1-8B-Instruct",
        "meta-llama/Meta-Llama-3.1-8B",
        "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "Llama-3.1-8B-Instruct",
        "Meta-Llama-3.1-8B-Instruct",
    ),
    "Llama-3.1-70B": (
        "meta-llama/Llama-3.1-70B-Instruct",
        "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Meta-Llama-3.1-70B-Instruct",
        "Llama-3.1-70B-Instruct",
    ),
    "Llama-3.1-405B": (
        "meta-llama/Llama-3.1-405B-Instruct",
        "meta-llama/Meta-Llama-3.1-405B",
        "meta-llama/Meta-Llama-3.1-405B-Instruct",
        "Llama-3.1-405B-Instruct",
    ),
    "Llama-3.2-1B": ("meta-llama/Llama-3.2-1B-Instruct", "Llama-3.2-1B-Instruct"),
    "Llama-3.2-3B": ("meta-llama/Llama-3.2-3B-Instruct", "Llama-3.2-3B-Instruct"),
    "Llama-3.3-70B": ("Llama-3.3-70B-Instruct", "Llama-3.3-70B(arch=3.1-70B)"),
    "CodeLlama-34B": ("codellama/CodeLlama-34b-Instruct-hf", "CodeLlama-34b-Instruct"),
    "Mistral-7B": ("mistralai/Mistral-7B-Instruct-v0.3", "Mistral-7B-v0.3", "Mistral-7B-Instruct-v0.3"),
    "Mixtral-8x7B": ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B-Instruct", "Mixtral-8x7B-v0.1"),
    "Mixtral-8x22B": (
        "mistralai/Mixtral-8x22B-Instruct-v0.1",
        "Mixtral-8x22B-Instruct",
        "Mixtral-8x22B-v0.1",
    ),
    "Mistral-Large-2407": ("Mistral-Large-Instruct-2407",),
    "Qwen2.5-7B": ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct"),
    "Qwen2.5-14B": ("Qwen/Qwen2.5-14B-Instruct", "Qwen2.5-14B-Instruct"),
    "Qwen2.5-32B": ("Qwen/Qwen2.5-32B-Instruct", "Qwen2.5-32B-Instruct"),
    "Qwen2.5-72B": ("Qwen/Qwen2.5-72B-Instruct", "Qwen2.5-72B-Instruct"),
    "Gemma-2-2B": ("google/gemma-2-2b-it", "gemma-2-2b-it"),
    "Gemma-2-9B": ("google/gemma-2-9b-it", "gemma-2-9b-it"),
    "Gemma-2-27B": ("google/gemma-2-27b-it", "gemma-2-27b-it"),
    "Gemma-3-4B": ("gemma-3-4b-it",),
    "Gemma-3-12B": ("gemma-3-12b-it",),
    "Gemma-3-27B": ("gemma-3-27b-it",),
    "Phi-3-mini-4k": ("Phi-3-mini-4k-instruct", "Phi-3-mini"),
    "Phi-4-mini": ("Phi-4-mini-instruct",),
    "Falcon-180B": ("tiiuae/falcon-180B-chat",),
    "DeepSeek-V2-Lite": ("deepseek-ai/DeepSeek-V2-Lite-Chat", "DeepSeek-V2-Lite-Chat"),
    "Llama-4-Scout": ("Llama-4-Scout-17B-16E-Instruct", "meta-llama/Llama-4-Scout-17B-16E"),
    "Llama-4-Maverick": ("Llama-4-Maverick-17B-128E-Instruct", "meta-llama/Llama-4-Maverick-17B-128E"),
    "Kimi-K2": ("Kimi-K2-Instruct",),
    "GPT-J-6B": ("gptj-6b", "gpt-j-6b"),
    "Qwen2-7B": ("Qwen/Qwen2-7B-Instruct", "Qwen2-7B-Instruct"),
    "Qwen2-72B": ("Qwen/Qwen2-72B-Instruct", "Qwen2-72B-Instruct"),
    "InternLM-20B": ("internlm/internlm-chat-20b", "internlm-20b-chat"),
}
