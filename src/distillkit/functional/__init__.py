"""Pure tensor functions: the maths, without settings."""

from distillkit.functional.at import attention_distance as attention_distance
from distillkit.functional.best_of import best_member as best_member
from distillkit.functional.cc import correlation_distance as correlation_distance
from distillkit.functional.chunked_soft_targets import chunked_kl as chunked_kl
from distillkit.functional.corrected_teacher import swap_wrong_predictions as swap_wrong_predictions
from distillkit.functional.counter_random import random_integers as random_integers
from distillkit.functional.crd import noise_contrastive as noise_contrastive
from distillkit.functional.ctkd import reverse_gradient as reverse_gradient
from distillkit.functional.dist import relation_distance as relation_distance
from distillkit.functional.dkd import decoupled_kl as decoupled_kl
from distillkit.functional.fitnet import hint_regression as hint_regression
from distillkit.functional.fsp import flow_distance as flow_distance
from distillkit.functional.generalized_jsd import generalized_jsd as generalized_jsd
from distillkit.functional.hard_labels import (
    hard_label_cross_entropy as hard_label_cross_entropy,
)
from distillkit.functional.ickd import (
    channel_correlation_distance as channel_correlation_distance,
)
from distillkit.functional.logit_matching import logit_matching as logit_matching
from distillkit.functional.mlkd import multi_level_kd as multi_level_kd
from distillkit.functional.next_token_labels import next_token_labels as next_token_labels
from distillkit.functional.nkd import normalized_kd as normalized_kd
from distillkit.functional.nst import selectivity_distance as selectivity_distance
from distillkit.functional.ofa import (
    target_enhanced_cross_entropy as target_enhanced_cross_entropy,
)
from distillkit.functional.ofd import margin_distance as margin_distance
from distillkit.functional.pkt import neighbour_divergence as neighbour_divergence
from distillkit.functional.reverse_kl import reverse_kl as reverse_kl
from distillkit.functional.review_kd import hierarchical_distance as hierarchical_distance
from distillkit.functional.rkd import relational_angle as relational_angle
from distillkit.functional.rkd import relational_distance as relational_distance
from distillkit.functional.soft_targets import distillation_kl as distillation_kl
from distillkit.functional.sp import similarity_distance as similarity_distance
from distillkit.functional.standardized import standardize_logits as standardize_logits
from distillkit.functional.teacher_free import virtual_teacher as virtual_teacher
from distillkit.functional.top_k_soft_targets import top_k_kl as top_k_kl
from distillkit.functional.vid import gaussian_likelihood as gaussian_likelihood
from distillkit.functional.wsld import weighted_soft_labels as weighted_soft_labels
