// Candidates that are Durable Objects.

import { campaign } from "./js/campaign.js";
import { restarting } from "./js/restarting.js";
import * as module from "./modules/campaign/module.js";

export const Campaign = campaign(restarting(module, ["CampaignCore"]));
