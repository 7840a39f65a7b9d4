"""Pure tensor functions: the maths, without settings."""

from distillkit.functional.attention_distance import attention_distance as attention_distance
from distillkit.functional.best_member import best_member as best_member
from distillkit.functional.channel_correlation_distance import (
    channel_correlation_distance as channel_correlation_distance,
)
from distillkit.functional.chunked_kl import chunked_kl as chunked_kl
from distillkit.functional.correlation_distance import correlation_distance as correlation_distance
from distillkit.functional.counter_random import random_integers as random_integers
from distillkit.functional.decoupled_kl import decoupled_kl as decoupled_kl
from distillkit.functional.distillation_kl import distillation_kl as distillation_kl
from distillkit.functional.flow_distance import flow_distance as flow_distance
from distillkit.functional.gaussian_likelihood import gaussian_likelihood as gaussian_likelihood
from distillkit.functional.generalized_jsd import generalized_jsd as generalized_jsd
from distillkit.functional.hard_label_cross_entropy import (
    hard_label_cross_entropy as hard_label_cross_entropy,
)
from distillkit.functional.hierarchical_distance import hierarchical_distance as hierarchical_distance
from distillkit.functional.hint_regression import hint_regression as hint_regression
from distillkit.functional.logit_matching import logit_matching as logit_matching
from distillkit.functional.margin_distance import margin_distance as margin_distance
from distillkit.functional.multi_level_kd import multi_level_kd as multi_level_kd
from distillkit.functional.neighbour_divergence import neighbour_divergence as neighbour_divergence
from distillkit.functional.normalized_kd import normalized_kd as normalized_kd
from distillkit.functional.relation_distance import relation_distance as relation_distance
from distillkit.functional.relational_distances import relational_angle as relational_angle
from distillkit.functional.relational_distances import relational_distance as relational_distance
from distillkit.functional.reverse_gradient import reverse_gradient as reverse_gradient
from distillkit.functional.reverse_kl import reverse_kl as reverse_kl
from distillkit.functional.selectivity_distance import selectivity_distance as selectivity_distance
from distillkit.functional.similarity_distance import similarity_distance as similarity_distance
from distillkit.functional.standardize_logits import standardize_logits as standardize_logits
from distillkit.functional.swap_wrong_predictions import swap_wrong_predictions as swap_wrong_predictions
from distillkit.functional.target_enhanced_cross_entropy import (
    target_enhanced_cross_entropy as target_enhanced_cross_entropy,
)
from distillkit.functional.top_k_kl import top_k_kl as top_k_kl
from distillkit.functional.virtual_teacher import virtual_teacher as virtual_teacher
from distillkit.functional.weighted_soft_labels import weighted_soft_labels as weighted_soft_labels
