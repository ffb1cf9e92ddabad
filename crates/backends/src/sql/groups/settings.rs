//! What a conversation is called, how it looks, and what it allows.

use super::{Scene, Stop};
use crate::sql::attachments::{AvatarOf, change_avatar, check_avatar};
use crate::sql::query::execute;
use crate::sql::writer::Group;
use chinwag_messenger::store::{ActRefusal, StepKind};
use chinwag_messenger::{EditHistory, Role, SettingsChange, SystemEvent};

pub(super) async fn update(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    wish: SettingsChange,
    purge_existing: Option<bool>,
) -> Result<(), Stop> {
    let now = scene.conversation.clone();
    let title = wish.title.filter(|title| now.title.as_ref() != Some(title));
    let description = wish.description.filter(|given| now.description != *given);
    let avatar = wish.avatar.filter(|given| now.avatar != *given);
    let policies = wish.policies.beyond(&now.policies);
    if title.is_some() || description.is_some() || avatar.is_some() {
        scene.require_group()?;
        if !now.policies.info.includes(role) {
            return Err(ActRefusal::NotAllowed.into());
        }
    }
    if !policies.is_empty() && !policies.allowed(now.kind, role) {
        return Err(ActRefusal::NotAllowed.into());
    }
    if let Some(Some(avatar)) = avatar {
        let checked = check_avatar(group, scene.actor, avatar).await?;
        checked.map_err(ActRefusal::Avatar)?;
    }
    let switched_off = policies.edit_history == Some(EditHistory::Off);
    if switched_off && purge_existing.is_none() {
        return Err(ActRefusal::PurgeExistingRequired.into());
    }
    if let Some(title) = title {
        scene.conversation.title = Some(title.clone());
        let what = StepKind::Settings(SettingsChange {
            title: Some(title.clone()),
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::TitleChanged { title }, what)
            .await?;
    }
    if let Some(description) = description {
        scene.conversation.description.clone_from(&description);
        let what = StepKind::Settings(SettingsChange {
            description: Some(description.clone()),
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::DescriptionChanged { description }, what)
            .await?;
    }
    if let Some(avatar) = avatar {
        let of = AvatarOf::Conversation(now.id);
        change_avatar(group, of, now.avatar, avatar, scene.at).await?;
        scene.conversation.avatar = avatar;
        let what = StepKind::Settings(SettingsChange {
            avatar: Some(avatar),
            ..SettingsChange::default()
        });
        scene.noted(group, SystemEvent::AvatarChanged, what).await?;
    }
    if switched_off && purge_existing == Some(true) {
        let sql = "DELETE FROM message_version WHERE message_id IN \
             (SELECT id FROM message WHERE conversation_id = ?)";
        execute(&group.tx, sql, vec![now.id.0.into()]).await?;
    }
    if !policies.is_empty() {
        scene.conversation.policies = policies.applied_to(&now.policies);
        let what = StepKind::Settings(SettingsChange {
            policies,
            ..SettingsChange::default()
        });
        scene
            .noted(group, SystemEvent::PolicyChanged { policies }, what)
            .await?;
    }
    Ok(())
}
