"""Checks of what every loss promises, for the tests of a loss of your own."""

from distillkit.testing.checking import Check as Check
from distillkit.testing.checking import check_loss as check_loss
from distillkit.testing.checking import checks_for as checks_for
from distillkit.testing.examples import examples_of as examples_of
from distillkit.testing.on_any_loss import adds_up as adds_up
from distillkit.testing.on_any_loss import has_the_gradient_of_its_value as has_the_gradient_of_its_value
from distillkit.testing.on_any_loss import ignores_autocast as ignores_autocast
from distillkit.testing.on_any_loss import ignores_the_batch_size as ignores_the_batch_size
from distillkit.testing.on_any_loss import ignores_the_order_of_examples as ignores_the_order_of_examples
from distillkit.testing.on_any_loss import is_close_in_bfloat16 as is_close_in_bfloat16
from distillkit.testing.on_any_loss import leaves_its_inputs_alone as leaves_its_inputs_alone
from distillkit.testing.on_any_loss import survives_files as survives_files
from distillkit.testing.on_features import can_be_learnt as can_be_learnt
from distillkit.testing.on_features import explains_other_shapes as explains_other_shapes
from distillkit.testing.on_features import explains_vectors_and_tokens as explains_vectors_and_tokens
from distillkit.testing.on_features import is_0_for_equal_layers as is_0_for_equal_layers
from distillkit.testing.on_features import is_finite_for_equal_examples as is_finite_for_equal_examples
from distillkit.testing.on_features import is_finite_for_extreme_features as is_finite_for_extreme_features
from distillkit.testing.on_features import refuses_other_examples as refuses_other_examples
from distillkit.testing.on_logits import ignores_the_order_of_classes as ignores_the_order_of_classes
from distillkit.testing.on_logits import is_0_for_one_class as is_0_for_one_class
from distillkit.testing.on_logits import is_finite_for_extreme_logits as is_finite_for_extreme_logits
from distillkit.testing.on_logits import leads_to_the_teachers_answer as leads_to_the_teachers_answer
from distillkit.testing.on_logits import takes_tokens as takes_tokens
