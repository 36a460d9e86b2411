"""Start, close and cancel a round, and set the stop rule, from the pages."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from service.admin.attempts import attempt
from service.admin.forms import FormDep, parse_document
from service.admin.pages.round_start import configuration_of
from service.campaigns import service as campaigns
from service.campaigns.schemas import StopRule
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, requires
from service.rounds import service as rounds
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute)
RULE_FIELDS = ("target_error", "value_per_unit")


@router.post("/campaigns/{campaign_id:int}/rounds")
def start_round(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """A round as the form says: people decide about everything."""

    def change() -> str:
        rounds.start(session, campaign, configuration_of(form), actor=principal.name)
        return "The round is started: it values the samples, ranks the candidates, and proposes a batch."

    return attempt(session, _overview(campaign.id), change)


@router.post("/rounds/{round_id:int}/close")
@requires(Scope.APPROVE)
def close_round(round_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    round_ = rounds.get(session, round_id)

    def change() -> str:
        rounds.close(session, round_.id, actor=principal.name)
        return "The round is being closed. Results that come later are still taken."

    return attempt(session, _overview(round_.campaign_id), change)


@router.post("/rounds/{round_id:int}/cancel")
@requires(Scope.APPROVE)
def cancel_round(round_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    round_ = rounds.get(session, round_id)

    def change() -> str:
        rounds.cancel(session, round_.id, actor=principal.name)
        return "The round is cancelled; what was approved stays approved."

    return attempt(session, _overview(round_.campaign_id), change)


@router.post("/campaigns/{campaign_id:int}/stop-rule")
def set_stop_rule(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """Both limits at once; an empty field takes its limit away."""

    def change() -> str:
        given = {name: form[name] for name in RULE_FIELDS if name in form}
        campaigns.set_stop_rule(session, campaign, parse_document(StopRule, given), actor=principal.name)
        return "The stop rule is set."

    return attempt(session, f"/campaigns/{campaign.id}/ledger#stop", change)


def _overview(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}#round-card"
