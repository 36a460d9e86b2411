"""REST: the regret ledger and the stop rule."""

from __future__ import annotations

from service.campaigns import service as campaigns
from service.campaigns.schemas import StopRule
from service.dependencies import CampaignDep, Principal, SessionDep
from service.ledger import service, stop_rule
from service.ledger.schemas import RegretLedger, StopRead
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(prefix="/campaigns/{campaign_id}", tags=["regret ledger"])


@router.get("/regret-ledger", responses=responses(404))
def read_regret_ledger(campaign: CampaignDep, session: SessionDep) -> RegretLedger:
    """Predicted against realised gain of every round, chosen against random picks, and the money."""
    return service.regret_ledger(session, campaign)


@router.get("/stop-rule", responses=responses(404))
def read_stop_rule(campaign: CampaignDep, session: SessionDep) -> StopRead:
    """Whether to go on acquiring, why, and how much choosing can still help."""
    return stop_rule.evaluate(session, campaign)


@router.put("/stop-rule", responses=responses(404, 422))
def set_stop_rule(
    rule: StopRule, campaign: CampaignDep, session: SessionDep, principal: Principal
) -> StopRead:
    """Replace the stop rule, and evaluate it."""
    campaigns.set_stop_rule(session, campaign, rule, actor=principal.name)
    return stop_rule.evaluate(session, campaign)
